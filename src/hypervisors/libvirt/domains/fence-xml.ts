import { ModosuError } from '../../../contracts/errors';
import type { Fence } from '../../../contracts/server';
import { childNodes, children, isElement, childOrNew, type Document, type Element } from '../xml';

/** The element in the domain's metadata that says who may write to the server. */
export const FENCE_NAMESPACE = 'https://modosu.dev/fence/1';
export const FENCE_PREFIX = 'modosu';

const RUN_ID_PATTERN = /^[A-Za-z0-9_-]{1,64}$/;

/** What stands in the metadata. `released`: its run has given the server back; the mark stays, so that no run with this or a lower token gets in again. */
export interface StandingFence extends Fence {
  readonly released: boolean;
}

export const isFenceElement = (element: Element): boolean => element.namespaceURI === FENCE_NAMESPACE;

const fenceElements = (domain: Element): Element[] =>
  children(domain, 'metadata').flatMap((metadata) => childNodes(metadata).filter(isElement).filter(isFenceElement));

/** The fence in a definition; null when there is none. Throws `FENCED_OFF` for one that cannot be read: nobody knows who holds it. */
export function readFence(document: Document): StandingFence | null {
  const domain = document.documentElement;
  const elements = domain === null ? [] : fenceElements(domain);
  const first = elements[0];
  if (first === undefined) return null;
  const runId = first.getAttribute('run') ?? '';
  const tokenText = first.getAttribute('token') ?? '';
  const token = Number(tokenText);
  const releasedText = first.getAttribute('released') ?? '';
  if (elements.length > 1 || !['', 'yes'].includes(releasedText) || !RUN_ID_PATTERN.test(runId) || !/^\d{1,15}$/.test(tokenText)) {
    throw new ModosuError('FENCED_OFF', 'The lock in the metadata of the domain cannot be read.', {
      hint: `Make sure that no run is active, then remove it: virsh metadata UUID --uri ${FENCE_NAMESPACE} --config --remove`,
    });
  }
  return { runId, token, released: releasedText === 'yes' };
}

/** Removes the fence from a parsed definition, and the metadata element when nothing else is in it. */
export function removeFence(document: Document): void {
  const domain = document.documentElement;
  if (domain === null) return;
  for (const element of fenceElements(domain)) element.parentNode?.removeChild(element);
  for (const metadata of children(domain, 'metadata')) {
    if (!childNodes(metadata).some(isElement)) domain.removeChild(metadata);
  }
}

/** Puts exactly this fence into a parsed definition. */
export function writeFence(document: Document, fence: Fence): void {
  removeFence(document);
  const domain = document.documentElement;
  if (domain === null) return;
  const element = document.createElementNS(FENCE_NAMESPACE, `${FENCE_PREFIX}:fence`);
  element.setAttribute('run', fence.runId);
  element.setAttribute('token', String(fence.token));
  childOrNew(domain, 'metadata').appendChild(element);
}

/** The element as `virsh metadata --set` wants it. */
export function fenceFragment(fence: Fence, options: { readonly released: boolean } = { released: false }): string {
  if (!RUN_ID_PATTERN.test(fence.runId) || !Number.isSafeInteger(fence.token) || fence.token < 0) {
    throw new ModosuError('REQUEST_INVALID', 'The fence has no valid run id or token.');
  }
  return `<fence run="${fence.runId}" token="${fence.token}"${options.released ? ' released="yes"' : ''}/>`;
}

/** True when exactly this fence stands there and was not given back. */
export const isHeldBy = (one: StandingFence | null, other: Fence): boolean =>
  one !== null && !one.released && one.runId === other.runId && one.token === other.token;
