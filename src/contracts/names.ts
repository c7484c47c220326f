/**
 * Names people give: servers may use letters of any script; hypervisors and repositories become task queue and metric
 * names and keep to ASCII. Neither is ever used as a file name or put into an argument vector.
 */
export const SERVER_NAME_PATTERN = /^[\p{L}\p{N}](?:[\p{L}\p{M}\p{N}_-]|\.(?!\.)){0,63}$/u;
export const PART_NAME_PATTERN = /^[a-z0-9][a-z0-9-]{0,62}$/;
/** Of a profile, as relations give them and texts name them. */
export const PARAMETER_NAME_PATTERN = /^[a-z][a-z0-9-]{0,39}$/;
export const PARAMETER_NAME_RULE = '1 to 40 lower-case letters, digits or "-", beginning with a letter';
export const NAME_RULE = '1 to 64 letters, digits, ".", "_" or "-", beginning with a letter or digit, without ".."';
export const PART_NAME_RULE = '1 to 63 lower-case letters, digits or "-", beginning with a letter or digit';
