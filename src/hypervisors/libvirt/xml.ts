import { DOMParser, XMLSerializer, type Document, type Element, type Node } from '@xmldom/xmldom';
import { ModosuError } from '../../contracts/errors';

export type { Document, Element };

/** libvirt itself refuses definitions above this size on the wire. */
export const MAX_XML_BYTES = 4 * 1024 * 1024;
const ELEMENT_NODE = 1;
const TEXT_NODES = [3, 4];

/**
 * Parses a libvirt document strictly. A DOCTYPE is refused (entities could read files or grow without bound), and so is anything
 * that is not well formed. Throws `HYPERVISOR_COMMAND_FAILED` naming `what`.
 */
export function parseXml(xml: string, rootName: string, what: string): Document {
  const refuse = (problem: string): ModosuError => new ModosuError('HYPERVISOR_COMMAND_FAILED', `${what} cannot be read: ${problem}.`);
  if (Buffer.byteLength(xml) > MAX_XML_BYTES) throw refuse(`it is larger than ${MAX_XML_BYTES} bytes`);
  if (/<!DOCTYPE/i.test(xml)) throw refuse('it has a DOCTYPE');
  let document: Document;
  try {
    document = new DOMParser({
      onError: (_level, message) => {
        throw new Error(message);
      },
    }).parseFromString(xml, 'text/xml');
  } catch (error) {
    throw refuse(error instanceof Error ? error.message : String(error));
  }
  if (document.documentElement?.localName !== rootName) throw refuse(`its root is not <${rootName}>`);
  return document;
}

export const serializeXml = (document: Document): string => `${new XMLSerializer().serializeToString(document)}\n`;

/** Text as it may stand in an attribute. */
export const escapeXml = (text: string): string => text.replace(/[&<>"'\n\r\t]/g, (character) => `&#${character.charCodeAt(0)};`);

export const isElement = (node: Node): node is Element => node.nodeType === ELEMENT_NODE;
export const isText = (node: Node): boolean => TEXT_NODES.includes(node.nodeType);

export function childNodes(parent: Node): Node[] {
  const nodes: Node[] = [];
  for (let node = parent.firstChild; node !== null; node = node.nextSibling) nodes.push(node);
  return nodes;
}

/** Child elements of libvirt's own vocabulary (no namespace) with this name. */
export const children = (parent: Element, name: string): Element[] =>
  childNodes(parent)
    .filter(isElement)
    .filter((element) => element.localName === name && !element.namespaceURI);

export const child = (parent: Element | null, name: string): Element | null => (parent === null ? null : (children(parent, name)[0] ?? null));

/** Attribute value; null when absent or empty. */
export const attribute = (element: Element | null, name: string): string | null => element?.getAttribute(name) || null;

/** Trimmed text of an element; null when absent or empty. */
export const textOf = (element: Element | null): string | null => element?.textContent?.trim() || null;

/** First child element of this name, made at the end when there is none. */
export function childOrNew(parent: Element, name: string): Element {
  const present = child(parent, name);
  if (present !== null) return present;
  const made = parent.ownerDocument?.createElement(name);
  if (made === undefined) throw new ModosuError('INTERNAL', `no document to make <${name}> in`);
  parent.appendChild(made);
  return made;
}

export function removeChildren(parent: Element, name: string): void {
  for (const element of children(parent, name)) parent.removeChild(element);
}
