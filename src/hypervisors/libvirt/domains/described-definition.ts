import { HIDDEN_VALUE, type DefinitionSummary, type DescribedDefinition } from '../../../contracts/definition';
import { cleanWords } from '../../../contracts/text';
import { sha256Of } from '../../../system/sha256';
import { attribute, child, childNodes, children, isElement, isText, type Document, type Element } from '../xml';
import { describeDomain, parseDomain, sourceName } from './domain-xml';
import { isFenceElement } from './fence-xml';

/** Far above any real one (a server with a hundred disks has 100 KiB), and read in a moment. */
const MAX_SHOWN_BYTES = 256 * 1024;
const MAX_LINES = 10_000;
const MAX_DEPTH = 64;
const MAX_VALUE = 1000;

/** Namespaces of libvirt's own extensions, such as the command line that is handed through to QEMU. */
const EXTENSIONS = 'http://libvirt.org/schemas/domain/';
/** Whatever has such a name says something secret, or where it is. */
const SECRET_NAME = /passw|passphrase|pwd|secret|token|credential|cookie|private/i;
/** Elements that hand values through to the guest or its kernel, say who logs in where, or hold whatever people have written. */
const HIDDEN_ELEMENTS = new Set(['auth', 'sysinfo', 'launchSecurity', 'cmdline', 'bootloader_args', 'initarg', 'initenv', 'description']);
/** Attributes that are shown in them. */
const TELLING = new Set(['name', 'type']);
/** Of an image behind HTTP: signatures stand there. */
const HIDDEN_ATTRIBUTES = new Set(['query']);
/** A login or a signature in an address, the options of an image that QEMU is given as JSON, and words that announce something secret, as people write them into descriptions. */
const SECRET_VALUE =
  /:\/\/[^/\s]{0,1000}@|^json:|[?&][\w.%~-]{1,100}=|(?:passw|passphrase|pwd|secret|token|credential|cookie|key)[\w-]{0,40}["']?\s{0,10}[=:：]/i;

/** What is shown of an element: its values; names and types alone; or only that it is there. */
type Shown = 'values' | 'names' | 'nothing';

/**
 * Reads a stored definition for people. Pure. Passwords, values that are handed through to QEMU, the guest or its kernel, and whatever others have put into
 * the metadata are hidden; comments and Modosu's own fence are left away. `unreadable`: nothing of it is told, not even what is wrong with it.
 */
export function describeDefinition(xml: string): DescribedDefinition | 'unreadable' | 'too-large' {
  if (Buffer.byteLength(xml) > MAX_SHOWN_BYTES) return 'too-large';
  try {
    const document = parseDomain(xml);
    const text = new DefinitionText();
    text.element(document.documentElement as Element, 'values', 0);
    if (text.lines.length > MAX_LINES) return 'too-large';
    return { summary: summaryOf(document), lines: text.lines, hiddenSha256: sha256Of(JSON.stringify(text.hidden)) };
  } catch {
    return 'unreadable';
  }
}

class DefinitionText {
  readonly lines: string[] = [];
  /** Values of which something is not shown. */
  readonly hidden: string[] = [];

  element(element: Element, above: Shown, depth: number): void {
    if (isFenceElement(element) || isEmptyMetadata(element)) return;
    if (depth > MAX_DEPTH) throw new Error('nested too deeply');
    const shown = shownOf(element, above);
    const nodes = childNodes(element).filter((node) => isElement(node) || (isText(node) && (node.nodeValue ?? '').trim() !== ''));
    const indent = '  '.repeat(depth);
    const name = nameOf(element.nodeName);
    const start = `${indent}<${[name, ...this.attributes(element, shown)].join(' ')}`;
    if (nodes.length === 0) {
      this.lines.push(`${start}/>`);
    } else if (!nodes.some(isElement)) {
      const text = this.value(element.textContent ?? '', shown !== 'values');
      this.lines.push(`${start}>${text}</${name}>`);
    } else {
      this.lines.push(`${start}>`);
      for (const node of nodes) {
        if (isElement(node)) this.element(node, shown, depth + 1);
        else this.lines.push(`${indent}  ${this.value(node.nodeValue ?? '', shown !== 'values')}`);
      }
      this.lines.push(`${indent}</${name}>`);
    }
  }

  /** In the order of their names, so that another order is no difference. */
  private attributes(element: Element, shown: Shown): readonly string[] {
    const found: { readonly name: string; readonly value: string }[] = [];
    for (let index = 0; index < element.attributes.length; index += 1) {
      const item = element.attributes.item(index);
      if (item !== null && item.name !== 'xmlns' && !item.name.startsWith('xmlns:')) found.push(item);
    }
    return found
      .sort((one, other) => (one.name < other.name ? -1 : 1))
      .map(({ name, value }) => `${nameOf(name)}='${this.value(value, isHiddenAttribute(name, shown))}'`);
  }

  private value(raw: string, isHidden: boolean): string {
    const trimmed = raw.trim();
    const shown = trimmed === '' ? '' : isHidden || SECRET_VALUE.test(trimmed) ? HIDDEN_VALUE : cleanWords(trimmed, MAX_VALUE);
    if (shown !== trimmed) this.hidden.push(trimmed);
    return shown.replace(/[&<>']/g, (character) => ESCAPES[character] ?? character);
  }
}

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', "'": '&apos;' };

/** Names may have characters that are not seen. */
const nameOf = (name: string): string => cleanWords(name, 100);

function shownOf(element: Element, above: Shown): Shown {
  // Whoever put it there knows what it is; nobody else does.
  if (above === 'nothing' || element.parentNode?.nodeName === 'metadata') return 'nothing';
  const namespace = element.namespaceURI ?? '';
  if (namespace !== '' || element.nodeName.includes(':')) return namespace.startsWith(EXTENSIONS) ? 'names' : 'nothing';
  return above === 'names' || HIDDEN_ELEMENTS.has(element.nodeName) || SECRET_NAME.test(element.nodeName) ? 'names' : 'values';
}

function isHiddenAttribute(name: string, shown: Shown): boolean {
  if (shown === 'values') return name.includes(':') || HIDDEN_ATTRIBUTES.has(name) || SECRET_NAME.test(name);
  return shown === 'nothing' || !TELLING.has(name);
}

/** Metadata that hold nothing but Modosu's own mark count as none. */
const isEmptyMetadata = (element: Element): boolean =>
  element.nodeName === 'metadata' && !childNodes(element).some((inner) => isElement(inner) && !isFenceElement(inner));

function summaryOf(document: Document): DefinitionSummary {
  const domain = document.documentElement as Element;
  const devices = child(domain, 'devices');
  const { vcpus, memoryBytes, firmware, generationId, nics } = describeDomain(document);
  return {
    vcpus: countOf(vcpus),
    memoryBytes: countOf(memoryBytes),
    machine: wordsOf(attribute(child(child(domain, 'os'), 'type'), 'machine')),
    firmware,
    generationId: wordsOf(generationId),
    disks: (devices === null ? [] : children(devices, 'disk')).map((disk) => ({
      target: wordsOf(attribute(child(disk, 'target'), 'dev')) ?? 'unnamed',
      device: wordsOf(attribute(disk, 'device')) ?? 'disk',
      bus: wordsOf(attribute(child(disk, 'target'), 'bus')),
      source: wordsOf(sourceName(child(disk, 'source'))),
    })),
    nics: nics.map(({ mac, type, source }) => ({ mac: wordsOf(mac), type: wordsOf(type) ?? 'unknown', source: wordsOf(source) })),
  };
}

const countOf = (value: number): number | null => (Number.isSafeInteger(value) && value > 0 ? value : null);

const wordsOf = (value: string | null): string | null =>
  value === null || value.trim() === '' ? null : SECRET_VALUE.test(value.trim()) ? HIDDEN_VALUE : cleanWords(value, MAX_VALUE);
