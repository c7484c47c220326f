import { asRecord, isCount, parseJson } from './json';

it('reads JSON, and takes what is none for nothing', () => {
  expect([parseJson('{"a":1}'), parseJson('null'), parseJson(''), parseJson('{"a":')]).toEqual([{ a: 1 }, null, undefined, undefined]);
});

it('takes only an object for a record', () => {
  expect([{ a: 1 }, [1], null, undefined, 'a', 7].map(asRecord)).toEqual([{ a: 1 }, {}, {}, {}, {}, {}]);
});

it('counts in whole numbers from 0 on', () => {
  expect([0, 7, Number.MAX_SAFE_INTEGER, -1, 0.5, 2 ** 53, Number.NaN, '7', null].filter(isCount)).toEqual([0, 7, Number.MAX_SAFE_INTEGER]);
});
