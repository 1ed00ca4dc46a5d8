import assert from 'node:assert/strict'
import { Buffer } from 'node:buffer'
import { test } from 'node:test'
import { decoded } from '../../src/predictions/decode.ts'

/** "系统维护" (maintenance of the system) in GBK. */
const GBK = Buffer.from('cfb5cdb3ceacbba4', 'hex')
const page = (head: string) => Buffer.concat([Buffer.from(`<html><head>${head}<title>`), GBK, Buffer.from('</title>')])

test('a body in UTF-8 is decoded as UTF-8, whatever its headers say', () => {
  const text = '{"detail":"系统维护"}'
  for (const type of [undefined, 'application/json; charset=ISO-8859-1', 'text/plain; charset=gbk'])
    assert.equal(decoded(Buffer.from(text), type), text)
})

test('damaged JSON is decoded as UTF-8, with replacement characters', () => {
  const bytes = Buffer.concat([Buffer.from('{"detail":"系'), Buffer.from([0xe7]), Buffer.from('"}')])
  assert.equal(decoded(bytes, 'application/json; charset=ISO-8859-1'), '{"detail":"系\ufffd"}')
})

test('a page in another encoding is decoded by the charset in its headers or in its own head', () => {
  assert.equal(decoded(page(''), 'text/html; charset=gb2312'), '<html><head><title>系统维护</title>')
  for (const head of ['<meta charset="gbk">', '<meta http-equiv="Content-Type" content="text/html; charset=GBK">'])
    assert.match(decoded(page(head), 'text/html'), /<title>系统维护<\/title>$/)
})

test('a body in UTF-16 is decoded by its byte order mark', () => {
  const text = '{"id":"abc"}'
  const little = Buffer.from(`\ufeff${text}`, 'utf16le')
  assert.equal(decoded(little), text)
  assert.equal(decoded(Buffer.from(little).swap16()), text)
})

test('a body with no known encoding is decoded as UTF-8 as far as possible', () => {
  for (const type of ['', 'text/html; charset=klingon'])
    assert.match(decoded(page(''), type), /<title>.*\ufffd.*<\/title>$/)
})
