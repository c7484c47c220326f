import { hypervisorNotConfigured, offsiteNotConfigured, repositoryNotConfigured } from './not-declared';

describe('what no estate declares', () => {
  it.each([
    [hypervisorNotConfigured, 'HYPERVISOR_NOT_CONFIGURED', 'No hypervisor named "hv9" is declared.', { hypervisor: 'hv9' }],
    [repositoryNotConfigured, 'REPOSITORY_NOT_CONFIGURED', 'No image repository named "hv9" is declared.', { repository: 'hv9' }],
    [offsiteNotConfigured, 'OFFSITE_NOT_CONFIGURED', 'No off-site repository named "hv9" is declared.', { offsite: 'hv9' }],
  ] as const)('is named with what it was to be', (made, code, message, context) => {
    expect(made('hv9')).toMatchObject({ code, message, context });
  });

  it('is shown in one short line, whatever somebody has typed', () => {
    const { message, context } = offsiteNotConfigured(`a\n${'x'.repeat(500)}`);
    expect(message).not.toContain('\n');
    expect(message.length).toBeLessThan(200);
    expect(String(context['offsite'])).toHaveLength(128);
  });
});
