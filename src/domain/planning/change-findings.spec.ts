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

  it('warns of changes that are being made on what goes: afterwards they would be half there, and count as whole', () => {
    const [{ how: _how, applyAgain: _again, ...begun }, { how: _how2, applyAgain: _again2, ...other }] = [
      change('LDAP client', { ticket: 'OPS-12', completedAt: null }),
      change('kernel', { completedAt: null }),
    ];
    const [finding, ...rest] = changeFindings(lost({ open: [begun] }), 'db01', 3, true);
    expect(rest).toEqual([]);
    expect(finding).toEqual({
      code: 'CHANGES_OPEN_LOST',
      severity: 'warn',
      message:
        'There is 1 configuration change being made, begun on disks that go: "LDAP client". What was done of it goes with them: generation 3 does not contain it whole.',
      remedy: expect.stringContaining('`modosu change complete CHANGE --made-again`') as string,
      evidence: ['chg_LDAP client, OPS-12, open'],
    });
    expect(changeLosses(lost({ changes: [change('one')], open: [begun] }))).toEqual([
      'Configuration change "one".',
      'Configuration change "LDAP client" (OPS-12), which is being made: what was done of it.',
    ]);
    const undo = undoChangeFindings(lost({ changes: [change('one')], open: [begun, other] }), 'db01');
    expect(undo.map(({ code, severity }) => `${severity} ${code}`)).toEqual(['warn CHANGES_LOST', 'warn CHANGES_OPEN_LOST']);
    expect(undoChangeFindings(lost({ open: [other] }), 'db01').map(({ code }) => code)).toEqual(['CHANGES_OPEN_LOST']);
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

  describe('where the server itself', () => {
    const AT = '2026-03-02T12:00:00.000Z';
    const drift = { of: 3, generation: 9, sentences: ['3 packages changed'] };
    const findings = (now: LostChanges['now'], changes: Partial<LostChanges> = { drift }) =>
      changeFindings(lost({ ...changes, ...(now === undefined ? {} : { now }) }), 'db01', 3, false);
    const compared = { state: 'compared', of: 3, at: AT, sentences: ['1 user added ("eve")'], gaps: [] } as const;
    const off = { state: 'not-compared', why: 'off', reason: 'it is off' } as const;
    const newest = { drift: null, notCompared: { why: 'newest', generations: [3], sentences: [] } } as const;

    it('was compared, it says more than its images', () => {
      for (const changes of [{ drift }, newest, { drift: null, notCompared: { why: 'no-image', generations: [3], sentences: [] } as const }]) {
        expect(findings(compared, changes)).toEqual([
          {
            code: 'FACTS_DIFFER',
            severity: 'warn',
            message: `The server itself differs from generation 3, which is restored, as its guest agent told at ${AT}.`,
            remedy: expect.stringContaining('`modosu backup image db01 --mode online --reason TEXT`, then `modosu generation diff db01 3 N`') as string,
            evidence: ['1 user added ("eve")'],
          },
        ]);
        expect(findings({ ...compared, sentences: [] }, changes)).toEqual([]);
      }
    });

    it('did not tell everything, the rest is not known, and its images fill in', () => {
      expect(findings({ ...compared, gaps: ['packages: not compared'] })).toMatchObject([
        { code: 'FACTS_DIFFER', evidence: ['1 user added ("eve")'] },
        { code: 'FACTS_DIFFER', message: expect.stringContaining('in its newest image, generation 9') as string, evidence: ['3 packages changed'] },
        {
          code: 'FACTS_NOT_COMPARED',
          severity: 'warn',
          message: expect.stringMatching(/^Not everything of the server itself, .* could be compared with generation 3:/) as string,
          evidence: ['packages: not compared'],
        },
      ]);
    });

    it('could not be compared, its newest image is, and that what came after it is not known is said', () => {
      expect(findings(off)).toMatchObject([
        { code: 'FACTS_DIFFER', message: expect.stringContaining('in its newest image, generation 9') as string, evidence: ['3 packages changed'] },
        {
          code: 'FACTS_NOT_COMPARED',
          severity: 'ok',
          message:
            'What was changed on the server since generation 9, its newest image, without being registered is not known. The server itself was not compared: it is off.',
          remedy: expect.stringMatching(/`modosu generation show db01 9` shows .* a new plan compares the server itself\.$/) as string,
        },
      ]);
      expect(findings(off, { drift: { ...drift, sentences: [] } }).map(({ code, severity }) => `${code} ${severity}`)).toEqual(['FACTS_NOT_COMPARED ok']);
    });

    it.each([
      [off, 'ok', 'it is off'],
      [{ state: 'not-compared', why: 'gone', reason: 'gone' }, 'ok', 'gone'],
      [{ state: 'not-compared', why: 'no-agent', reason: 'silent' }, 'ok', 'silent'],
      // It could have been known.
      [{ state: 'not-compared', why: 'failed', reason: 'NO_WORKER: no answer' }, 'warn', 'NO_WORKER: no answer'],
      [{ state: 'not-compared', why: 'no-facts', reason: 'generation 3 has no facts (it was off)' }, 'warn', 'generation 3 has no facts (it was off)'],
    ] as const)('and its newest image, which is restored, have nothing to be compared with: %j', (now, severity, reason) => {
      expect(findings(now, newest)).toMatchObject([
        {
          code: 'FACTS_NOT_COMPARED',
          severity,
          message: `What was changed on the server since generation 3, its newest image, without being registered is not known. The server itself was not compared: ${reason}.`,
        },
      ]);
    });

    it.each(['no-image', 'no-facts', 'in-part'] as const)('and its images cannot be compared, both are said: %s', (why) => {
      const [before] = findings(undefined, { drift: null, notCompared: { why, generations: [3], sentences: [] } });
      const [after, ...others] = findings(off, { drift: null, notCompared: { why, generations: [3], sentences: [] } });
      expect(after?.message).toBe(`${before?.message} The server itself was not compared: it is off.`);
      expect([after?.severity, others]).toEqual(['warn', []]);
    });
  });
});
