import { Injectable, type INestApplication } from '@nestjs/common';
import { DocumentBuilder, SwaggerModule, type OpenAPIObject } from '@nestjs/swagger';
import { z } from 'zod';
import { PROBLEM_MEDIA_TYPE, problemSchema } from '../../contracts/api/common';
import { ModosuError } from '../../contracts/errors';

const DESCRIPTION = `Modosu restores virtual servers. Requests carry \`Authorization: Bearer TOKEN\`; errors are RFC 9457 problems with a stable \`code\` and a
\`hint\`; long work answers 202 with a \`Location\`. See docs/API.md.`;

/** Of the interface, not of the program: routes begin with `/v1`. */
const API_VERSION = '1';

/** The OpenAPI document of the running API; made once, when somebody asks: a start has better things to do with half a second. */
@Injectable()
export class ApiDocument {
  private application: INestApplication | null = null;
  private made: OpenAPIObject | null = null;

  get content(): OpenAPIObject {
    if (this.application === null) throw new ModosuError('INTERNAL', 'The API document was asked for before there was an API.');
    this.made ??= makeApiDocument(this.application);
    return this.made;
  }

  describe(application: INestApplication): void {
    this.application = application;
  }
}

/** Routes and parameters come from the controllers, all schemas from `contracts/api`. */
export function makeApiDocument(application: INestApplication): OpenAPIObject {
  const frame = new DocumentBuilder()
    .setOpenAPIVersion('3.1.0')
    .setTitle('Modosu')
    .setDescription(DESCRIPTION)
    .setVersion(API_VERSION)
    .addBearerAuth({ type: 'http', scheme: 'bearer' }, 'token')
    .build();
  const document = SwaggerModule.createDocument(application, frame);
  return withProblems(document);
}

/** Every operation may answer with a problem. */
function withProblems(document: OpenAPIObject): OpenAPIObject {
  const schemas = { ...problemComponents(), ...document.components?.schemas };
  for (const path of Object.values(document.paths)) {
    for (const operation of [path.get, path.post]) {
      if (operation === undefined) continue;
      operation.responses['default'] = {
        description: 'A problem.',
        content: { [PROBLEM_MEDIA_TYPE]: { schema: { $ref: '#/components/schemas/Problem' } } },
      };
    }
  }
  return { ...document, components: { ...document.components, schemas } };
}

/** The problem's schema and what it refers to, as components. */
function problemComponents(): NonNullable<NonNullable<OpenAPIObject['components']>['schemas']> {
  const { $defs } = z.toJSONSchema(z.object({ problem: problemSchema }), { io: 'output', target: 'draft-2020-12' });
  return JSON.parse(JSON.stringify($defs).replaceAll('#/$defs/', '#/components/schemas/')) as ReturnType<typeof problemComponents>;
}
