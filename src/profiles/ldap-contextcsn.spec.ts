import { linesAfter } from '../domain/consistency/lines-after';
import { failed, judged, shippedProfile } from '../../test/support/judged-profile';

const PROFILE = shippedProfile('ldap-contextcsn');
const csn = (hour: string, sid: string) => `202603${hour}0000.000000Z#000000#${sid}#000000`;
const parameters = { suffix: 'dc=example,dc=org', provider: 'srv01', sid: '001' };
const plan = (provider: readonly string[], consumer: readonly string[], more: Readonly<Record<string, string>> = {}) =>
  judged(
    PROFILE,
    'plan',
    { 'server.context-csn.recovery-point': provider.join('\n'), 'peer.context-csn.now': consumer.join('\n'), 'peer.entries.now': csn('0902', '001') },
    { parameters: { ...parameters, ...more } },
  );

it('blocks when a consumer has changes that the provider loses', () => {
  const { verdicts, findings, steps } = plan([csn('0902', '001')], [csn('1011', '001')]);
  expect(verdicts).toEqual(['block CONSUMER_AHEAD', 'step CONSUMER_TO_RELOAD']);
  expect(findings[0]?.message).toContain(csn('1011', '001'));
  expect(steps).toMatchObject([{ on: 'peer', when: 'live' }]);
});

it('has the server loaded from the other one where both are providers, and only where that was declared', () => {
  const both = { 'multi-provider': 'yes' };
  const { verdicts, steps } = plan([csn('0902', '001')], [csn('1011', '001')], both);
  expect(verdicts).toEqual(['step PROVIDER_TO_EMPTY', 'step PROVIDER_TO_LOAD']);
  expect(steps).toMatchObject([
    { on: 'server', when: 'quarantine' },
    { on: 'server', when: 'live' },
  ]);
  expect(plan([csn('0902', '001')], [csn('0902', '001')], both).verdicts).toEqual(['ok RELATION_AGREES']);
  for (const word of ['no', 'Yes', 'true']) {
    expect(plan([csn('0902', '001')], [csn('1011', '001')], { 'multi-provider': word }).verdicts[0]).toBe('block CONSUMER_AHEAD');
  }
});

describe('afterwards', () => {
  const [OLD, NEW] = [csn('0902', '001'), csn('1011', '001')];
  const live = (
    server: readonly [string, string],
    peer: readonly [string, string | ReturnType<typeof failed>],
    provider = 'srv01',
    more = {},
  ): readonly string[] =>
    judged(
      PROFILE,
      'live',
      {
        'server.context-csn.now': server[0],
        'server.entries.now': server[1],
        'peer.context-csn.now': peer[0],
        'peer.entries.now': peer[1],
      },
      { parameters: { ...parameters, provider, ...more } },
    ).verdicts;

  it('does not take the same contextCSN for the same entries', () => {
    expect(live([NEW, `${OLD}\n${NEW}`], [NEW, `${NEW}\n${OLD}`])).toEqual(['ok RELATION_AGREES']);
    expect(live([NEW, `${OLD}\n${NEW}`], [NEW, NEW])).toEqual(['block CONTENTS_DIFFER']);
    expect(live([NEW, NEW], [NEW, OLD])).toEqual(['block CONTENTS_DIFFER']);
    expect(live([NEW, NEW], [NEW, failed('PROBE_FAILED', 'Size limit exceeded')])).toEqual(['unknown PEER_UNKNOWN']);
  });

  it('compares no entries where that was declared, and says so before', () => {
    const none = { filter: 'none' };
    expect(plan([OLD], [OLD], none).verdicts).toEqual(['warn CONTENTS_NOT_COMPARED']);
    expect(live([NEW, NEW], [NEW, OLD], 'srv01', none)).toEqual(['ok RELATION_AGREES']);
  });

  it('is looked at before: a peer that cannot show its entries then is not known', () => {
    const values = { 'server.context-csn.recovery-point': OLD, 'peer.context-csn.now': OLD, 'peer.entries.now': failed('PROBE_FAILED', 'Size limit exceeded') };
    expect(judged(PROFILE, 'plan', values, { parameters }).verdicts).toEqual(['unknown PEER_UNKNOWN']);
  });

  it('says that one has not followed yet, and blocks where it never will', () => {
    expect(live([NEW, NEW], [OLD, OLD])).toEqual(['block NOT_CAUGHT_UP']);
    expect(live([OLD, OLD], [NEW, NEW], 'srv02')).toEqual(['block NOT_CAUGHT_UP']);
    expect(live([OLD, OLD], [NEW, NEW])).toEqual(['block CONSUMER_STILL_AHEAD', 'block NOT_CAUGHT_UP']);
  });
});

it('looks at the changes of this provider alone', () => {
  expect(plan([csn('0902', '001'), csn('0902', '002')], [csn('0902', '001'), csn('1011', '002')]).verdicts).toEqual(['ok RELATION_AGREES']);
  expect(plan([csn('0902', '001'), csn('1011', '002')], [csn('1011', '001'), csn('0902', '002')]).verdicts[0]).toBe('block CONSUMER_AHEAD');
});

it('does not call servers well because their provider was mistyped', () => {
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { sid: '010' }).verdicts).toEqual(['unknown MARKERS_INCOMPARABLE']);
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { sid: '1' }).verdicts).toEqual(['unknown RULE_UNUSABLE']);
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { provider: 'srv10' }).verdicts).toEqual(['block PROVIDER_OF_ANOTHER_RELATION']);
});

it('has nothing against a consumer that goes back', () => {
  expect(plan([csn('0902', '001')], [csn('1011', '001')], { provider: 'srv02' }).verdicts).toEqual(['ok RELATION_AGREES']);
});

it('reads what ldapsearch prints', () => {
  const [marker] = PROFILE.markers;
  const prefix = marker?.probe.kind === 'command' ? (marker.probe.prefix ?? '') : '';
  const printed = `dn: dc=example,dc=org\ncontextCSN: ${csn('0902', '001')}\ncontextCSN: ${csn('0903', '002')}\n\n`;
  expect(linesAfter(prefix, printed)).toBe(`${csn('0902', '001')}\n${csn('0903', '002')}`);
});
