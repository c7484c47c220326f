import type { LostChange } from '../../contracts/change';
import type { LostChanges } from '../../contracts/plan';
import { changeFindings, changeLosses, undoChangeFindings } from './change-findings';

const change = (title: string, changes: Partial<LostChange> = {}): LostChange => ({
  id: `chg_${title}`,
  title,
  ticket: null,
  completedAt: '2026-03-01T00:00:00.000Z',
  how: 'missing',
  applyAgain: null,
  ...changes,
});
const lost = (changes: Partial<LostChanges>): LostChanges => ({ changes: [], returning: [], isKnown: true, drift: null, ...changes });

describe('what going back does to the configuration', () => {
  it('is nothing that is said where nothing is lost, nor in a plan of an earlier version', () => {
    expect(changeFindings(lost({}), 'db01', 3, false)).toEqual([]);
    expect(changeFindings(undefined, 'db01', 3, false)).toEqual([]);
    expect(changeLosses(undefined)).toEqual([]);
  });

  it('names every change that is missing, with how it is made again', () => {
    const changes = [change('LDAP client', { ticket: 'OPS-12', applyAgain: { kind: 'text', text: 'x' } }), change('kernel')];
    expect(changeFindings(lost({ changes }), 'db01', 3, false)).toEqual([
      {
        code: 'CHANGES_LOST',
        severity: 'warn',
        message: 'There are 2 configuration changes that generation 3 does not contain, and that the server has now: "LDAP client", "kernel".',
        remedy: expect.stringContaining('modosu change show') as string,
        evidence: [
          'chg_LDAP client, OPS-12, complete 2026-03-01T00:00:00.000Z, applied again by hand',
          'chg_kernel, complete 2026-03-01T00:00:00.000Z, nobody has said how it is applied again',
        ],
      },
    ]);
    expect(changeLosses(lost({ changes }))).toEqual(['Configuration change "LDAP client" (OPS-12).', 'Configuration change "kernel".']);
  });

  it('is a warning of an undo, too, which keeps what it leaves', () => {
    expect(undoChangeFindings(undefined, 'db01')).toEqual([]);
    expect(undoChangeFindings(lost({}), 'db01')).toEqual([]);
    expect(undoChangeFindings(lost({ changes: [change('kernel'), change('half', { how: 'partly' })] }), 'db01')).toEqual([
      {
        code: 'CHANGES_LOST',
        severity: 'warn',
        message: 'There are 2 configuration changes that the server has now, and the disks that it returns to do not have: "kernel", "half".',
        remedy: expect.stringContaining('kept for a redo') as string,
        evidence: [expect.stringContaining('chg_kernel') as string, expect.stringContaining('chg_half') as string],
      },
    ]);
  });

  it('tells apart what is half there, what comes back, and what nobody knows', () => {
    const program = { kind: 'command', argv: ['/bin/true'], timeoutSeconds: 5 } as const;
    const findings = changeFindings(
      lost({ changes: [change('half', { how: 'partly', applyAgain: program })], returning: [change('old')], isKnown: false }),
      'db01',
      7,
      false,
    );
    expect(findings.map(({ code, severity }) => `${code} ${severity}`)).toEqual(['CHANGES_HALF_DONE warn', 'CHANGES_RETURN ok', 'CHANGES_UNKNOWN unknown']);
    expect(findings[0]?.message).toBe('There is 1 configuration change that generation 7 was taken in the middle of: "half".');
    expect(findings[0]?.evidence[0]).toContain('a program in the guest: "/bin/true"');
    expect(findings[1]?.message).toContain('1 configuration change come');
  });

  it('says what differs although nobody has registered it', () => {
    expect(changeFindings(lost({ drift: { of: 3, generation: 9, sentences: ['3 packages changed'] } }), 'db01', 3, false)).toMatchObject([
      { code: 'FACTS_DIFFER', severity: 'warn', evidence: ['3 packages changed'], remedy: expect.stringContaining('diff db01 3 9') as string },
    ]);
    expect(changeFindings(lost({ drift: { of: 3, generation: 9, sentences: [] } }), 'db01', 3, false)).toEqual([]);
  });

  describe('what was not compared', () => {
    const notCompared = (one: LostChanges['notCompared'], drift: LostChanges['drift'] = null) =>
      changeFindings(lost({ drift, ...(one === undefined ? {} : { notCompared: one }) }), 'db01', 3, false);

    it.each([
      [
        { why: 'newest', generations: [3], sentences: [] },
        'ok',
        'What was changed on the server since generation 3 without being registered is not known: it is the newest image, and there is nothing newer to compare it with.',
        '`modosu generation show db01 3` shows what is known of the server then',
      ],
      [
        { why: 'no-image', generations: [3], sentences: [] },
        'warn',
        'Whether the server differs from what is restored, beside its registered changes, is not known: there is no newer image of the disks that it has now to compare generation 3 with.',
        '`modosu generation show db01 3` shows what is known, `modosu generation list db01` which generations have facts',
      ],
      [
        { why: 'no-facts', generations: [3, 9], sentences: ['generation 3: it was off', 'generation 9: it was off'] },
        'warn',
        'Whether the server differs from what is restored, beside its registered changes, is not known: there are no facts of generations 3 and 9.',
        '`modosu generation show db01 3` and `modosu generation show db01 9` show what is known',
      ],
    ] as const)('is said with its reason, and asks for nothing: %j', (one, severity, message, remedy) => {
      expect(notCompared(one)).toEqual([
        { code: 'FACTS_NOT_COMPARED', severity, message, remedy: expect.stringContaining(remedy) as string, evidence: one.sentences },
      ]);
    });

    it('in part, is told apart from what differs', () => {
      const gap = 'users: not compared, those of the later one were not collected (AGENT_SILENT)';
      const inPart = { why: 'in-part', generations: [3, 9], sentences: [gap] } as const;
      expect(notCompared(inPart, { of: 3, generation: 9, sentences: ['1 package added', gap] })).toMatchObject([
        { code: 'FACTS_DIFFER', evidence: ['1 package added'] },
        { code: 'FACTS_NOT_COMPARED', severity: 'warn', message: expect.stringContaining('Not everything of generations 3 and 9') as string, evidence: [gap] },
      ]);
      expect(notCompared(inPart, { of: 3, generation: 9, sentences: [gap] }).map(({ code }) => code)).toEqual(['FACTS_NOT_COMPARED']);
    });
  });
});
