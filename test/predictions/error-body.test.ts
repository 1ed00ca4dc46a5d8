import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  describePage,
  errorBodyCode,
  errorBodyMessage,
  invalidFields,
  isChallenge,
  isPage,
  parseErrorBody,
  saysRetryable,
} from '../../src/predictions/error-body.ts'

const message = (body: unknown, text = JSON.stringify(body)) => errorBodyMessage(body, text)

describe('the message of an error body', () => {
  test('the message of an error body is found where each gateway puts it', () => {
    const bodies: unknown[] = [
      { detail: 'said' },
      { error: 'said' },
      { error: { message: ' said ' } },
      { error: { detail: 'said' } },
      { message: 'said' },
      { msg: 'said' },
      { description: 'said' },
      { title: 'said' },
      { error_msg: 'said' },
      { status_message: 'said' },
    ]
    for (const body of bodies) assert.equal(message(body), 'said', JSON.stringify(body))
  })
  test('the message of an error body is the first field that is not empty', () => {
    assert.equal(message({ detail: ' ', error: { message: 'inner' }, message: 'outer' }), 'inner')
    assert.equal(message({ detail: [], msg: 'said' }), 'said')
    assert.equal(message({ detail: 'first', error: 'second' }), 'first')
  })
  test('the message of an error body lists up to twenty faults in the form of FastAPI', () => {
    const detail = [
      { loc: ['body', 'input', 'steps'], msg: 'must be positive' },
      { msg: 'is missing' },
      'plain',
      { loc: ['x'] },
    ]
    assert.equal(message({ detail }), 'body.input.steps: must be positive; is missing; "plain"; {"loc":["x"]}')
    const many = Array.from({ length: 30 }, (_, i) => ({ msg: `fault ${i}` }))
    assert.equal(message({ detail: many }).split('; ').length, 20)
    assert.equal(
      message({ detail: [{ loc: Array.from({ length: 12 }, (_, i) => i), msg: 'deep' }] }),
      '0.1.2.3.4.5.6.7.8.9: deep',
    )
  })
  test('the message of an error body without a known field is the whole body, or its text if it is not JSON', () => {
    assert.equal(message({ reason: 7 }), '{"reason":7}')
    assert.equal(message([1, 2]), '[1,2]')
    assert.equal(message('quoted', ' "quoted" '), '"quoted"')
    assert.equal(message(undefined, ' not JSON \n'), 'not JSON')
    assert.equal(message(undefined, ''), '')
  })
  test('the message of a web page is its title', () => {
    assert.equal(
      message(undefined, ' <html><title lang="en"> 502 Bad Gateway </title>'),
      'a web page titled "502 Bad Gateway"',
    )
    assert.equal(message(undefined, '<html><body>hello'), 'a web page')
  })
  test('the message of an error body is cut off after a thousand characters', () => {
    const long = 'x'.repeat(2000)
    for (const shown of [message({ detail: long }), message(undefined, long), message({ reason: long })])
      assert.equal(shown.length, 1001)
  })
})

describe('the code of an error body', () => {
  test('the code of an error body is that of the error, else that of the body, as text', () => {
    assert.equal(errorBodyCode({ error: { code: 'inner' }, code: 'outer' }), 'inner')
    assert.equal(errorBodyCode({ error: 'text', code: 'outer' }), 'outer')
    assert.equal(errorBodyCode({ code: 1302 }), '1302')
    assert.equal(errorBodyCode({ code: 0 }), '0')
    assert.equal(errorBodyCode({ status_code: 404 }), '404')
    assert.equal(errorBodyCode(parseErrorBody('{"code": 12345678901234567890123}')), '12345678901234567890123')
  })
  test('a code of an error body that is empty or neither text nor a number is ignored', () => {
    for (const body of [undefined, null, 'code', {}, { code: '' }, { code: null }, { code: {} }, { code: true }])
      assert.equal(errorBodyCode(body), undefined, JSON.stringify(body))
  })
  test('the code of an error body is cut off after a hundred characters', () => {
    assert.equal(errorBodyCode({ code: 'x'.repeat(200) })?.length, 100)
    assert.equal(errorBodyCode(parseErrorBody(`{"code": ${'9'.repeat(200)}}`))?.length, 100)
  })
})

describe('the fields that a 422 lists', () => {
  test('the invalid fields of a 422 are those with a name, each with its description', () => {
    const invalid_fields = [
      { field: 'input.steps', description: 'too many' },
      { field: 'input.size' },
      { field: 1, description: 'no name' },
      'input.seed',
    ]
    assert.deepEqual(invalidFields({ invalid_fields }), [
      { field: 'input.steps', description: 'too many' },
      { field: 'input.size', description: 'is not valid' },
    ])
  })
  test('a 422 without a list has no invalid fields, and at most fifty are read', () => {
    for (const body of [undefined, {}, { invalid_fields: 'x' }, { invalid_fields: {} }])
      assert.deepEqual(invalidFields(body), [])
    assert.equal(invalidFields({ invalid_fields: Array(60).fill({ field: 'x' }) }).length, 50)
  })
})

test('an error body says that a request may be retried only if retryable is true', () => {
  for (const body of [{ retryable: true }, { error: { retryable: true } }]) assert.equal(saysRetryable(body), true)
  for (const body of [{ retryable: 'true' }, { error: { retryable: 1 } }, { error: 'retryable' }, [], undefined, {}])
    assert.equal(saysRetryable(body), false, JSON.stringify(body))
})

test('parsing an error body that is not JSON returns nothing', () => {
  assert.deepEqual(parseErrorBody('{"a": 1}'), { a: 1 })
  assert.equal(parseErrorBody('{"a": '), undefined)
})

describe('a web page', () => {
  test('a body that begins like markup is a web page', () => {
    assert.equal(isPage(' \n<!doctype html>'), true)
    assert.equal(isPage('{"html": "<p>"}'), false)
  })
  test('a web page is described by its title if it has one near its start', () => {
    assert.equal(describePage('<TITLE>Home</TITLE>'), 'a web page titled "Home"')
    assert.equal(describePage('<title> </title>'), 'a web page')
    assert.equal(describePage(`<html>${' '.repeat(20_000)}<title>Home</title>`), 'a web page')
  })
  test('a challenge page is recognized by its header or its title', () => {
    assert.equal(isChallenge({ 'cf-mitigated': 'challenge' }, ''), true)
    assert.equal(isChallenge({ 'cf-mitigated': 'other' }, '<title>Home</title>'), false)
    const titles = [
      'Just a moment...',
      'Attention Required! | Cloudflare',
      'Checking your browser',
      'Please wait',
      'Verifying',
      'DDoS-Guard',
    ]
    for (const title of titles) assert.equal(isChallenge({}, `<html><title>${title}</title>`), true, title)
    assert.equal(isChallenge({}, '<title>We ask for just a moment</title>'), false)
    assert.equal(isChallenge({}, 'Just a moment'), false)
    assert.equal(isChallenge({}, '<html>'), false)
  })
})
