// Leaves sentences alone: what is said to people is read by people. Codes, keys of steps, SQL keywords and whatever else a program compares have at most one
// blank and stay mutated.
import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin';

const isSentence = (text) => text.trim().split(' ').length > 3;

/** A template in which something is decided is not left out: the decision would be with it. */
const decides = (node) =>
  ['ConditionalExpression', 'LogicalExpression', 'ArrowFunctionExpression', 'BinaryExpression'].includes(node.type) ||
  Object.values(node).some((value) =>
    (Array.isArray(value) ? value : [value]).some((child) => child !== null && typeof child === 'object' && typeof child.type === 'string' && decides(child)),
  );

export const strykerPlugins = [
  declareValuePlugin(PluginKind.Ignore, 'sentences', {
    shouldIgnore({ node }) {
      if (node.type === 'StringLiteral' && isSentence(node.value)) return 'a sentence';
      if (node.type === 'TemplateLiteral' && isSentence(node.quasis.map(({ value }) => value.raw).join('x')) && !node.expressions.some(decides)) {
        return 'a sentence';
      }
      return undefined;
    },
  }),
];
