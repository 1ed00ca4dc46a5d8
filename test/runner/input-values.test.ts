import assert from 'node:assert/strict'
import { homedir } from 'node:os'
import path from 'node:path'
import { describe, test } from 'node:test'
import { APIS } from '../../src/predictions/apis/index.ts'
import * as values from '../../src/runner/input-values.ts'
import { InvalidValue, parseDuration, readFileName, readIds, warningsOf } from '../../src/runner/input-values.ts'

/** What is said of a text that is refused; empty if it is taken. */
function faultOf(read: () => unknown): string {
  try {
    read()
  } catch (error) {
    assert.ok(error instanceof InvalidValue, String(error))
    return error.message
  }
  return ''
}

const apiNamed = (name: string) => {
  const api = APIS.find((each) => each.name === name)
  assert.ok(api)
  return api
}

describe('a duration', () => {
  test('a duration is read in seconds', () => {
    const durations = {
      '90s': 90,
      '10m': 600,
      '1h30m': 5400,
      '45': 45,
      '1.5': 1.5,
      '500ms': 0.5,
      '1h 30m': 5400,
      '1D': 86_400,
      '0': 0,
      '2m0.5s': 120.5,
      '1d2h3m4s5ms': 93_784.005,
      '123456789.123456': 123_456_789.123456,
      '1234d': 106_617_600,
    }
    for (const [text, seconds] of Object.entries(durations)) assert.equal(parseDuration(text), seconds, text)
  })
  test('an invalid duration is rejected', () => {
    for (const text of [
      '',
      'soon',
      '-5',
      '5x',
      's',
      'NaN',
      'Infinity',
      '1e3',
      '30m1h',
      '0x10',
      '٣s',
      '1,5s',
      '1.s',
      '12345d',
      'x5',
      '5sx',
      '1234567890',
    ])
      assert.equal(parseDuration(text), undefined, text)
  })
})

test('plain http causes a warning unless the host is a loopback host', () => {
  for (const url of [
    'http://gateway.example.com/v1',
    'http://10.0.0.5/v1',
    'http://127.0.0.1.example.com/v1',
    'http://my-localhost/v1',
  ])
    assert.equal(warningsOf(url).length, 1, url)
  for (const url of [
    'https://gateway.example.com/v1',
    'http://localhost:8080/v1',
    'http://127.0.0.1/v1',
    'http://127.100.20.3/v1',
    'http://[::1]/v1',
    'http://gateway.localhost/v1',
  ])
    assert.deepEqual(warningsOf(url), [], url)
})

describe('prediction IDs', () => {
  const fault = (text: string) => faultOf(() => readIds(text))
  test('prediction IDs are read with any usual separator, without quotes and duplicates', () => {
    for (const text of ['a,b', 'a b\nb', 'a， b', 'a、b', '"a","b"', "'a' 'b'", '["a", "b"]', '[" a", "\\"b\\""]']) {
      assert.deepEqual(readIds(text), ['a', 'b'], text)
    }
  })
  test('an ID such as null or undefined is reported as the missing output of an earlier step', () => {
    for (const text of ['null', 'undefined', 'None', '"null"', 'a,null', '[null]', '["undefined"]']) {
      assert.match(fault(text), /the step that should have created the prediction/, text)
    }
    assert.deepEqual(readIds('nullable'), ['nullable'])
  })
  test('missing IDs are reported', () => {
    assert.match(fault(''), /^must not be empty\./)
    for (const text of [',', '[]', '""']) assert.match(fault(text), /contains no ID\. Pass at least one ID\.$/)
  })
  test('a broken JSON array of IDs is refused, and so is one with values other than strings', () => {
    assert.match(fault('["a"'), /^"\[\\"a\\"" looks like a JSON array but is not valid JSON\./)
    assert.equal(fault('[1]'), '"[1]" is not a JSON array of strings.')
  })
  test('invalid IDs are reported, at most five of them by name', () => {
    assert.match(fault('a!b'), /^"a!b" cannot be the ID of a prediction: /)
    assert.match(fault('1!,2!,3!,4!,5!'), /^"1!", "2!", "3!", "4!", "5!" cannot be/)
    assert.match(fault('1!,2!,ok,3!,4!,5!,6!,7!'), /^"1!", "2!", "3!", "4!", "5!" and 2 more cannot be/)
  })
  test('a URL in place of an ID is reported with the part to pass', () => {
    assert.match(
      fault('https://x.example/v1/predictions/abc'),
      / Of a URL, pass only the part after \/predictions\/\.$/,
    )
    assert.match(fault('a!b,c/d'), /Of a URL/)
    assert.doesNotMatch(fault('a!b'), /URL/)
    assert.doesNotMatch(
      faultOf(() => readIds('a/b', { isId: () => false, idRule: 'none is one' })),
      /Of a URL/,
    )
  })
  test('unbalanced quotes around an ID are refused', () => {
    for (const text of [`"a'`, 'a"', '"a', 'x"a"', '"a"x']) assert.notEqual(fault(text), '', text)
  })
  test('a step accepts at most 5,000 IDs, not counting duplicates', () => {
    const ids = (count: number) => Array.from({ length: count }, (_, i) => `id${i}`)
    assert.equal(readIds([...ids(5000), 'id7'].join()).length, 5000)
    assert.match(fault(ids(5001).join()), /has 5001 IDs, but one step waits for at most 5000/)
  })
})

test('a template of file names is accepted unless it contains what no file name may contain', () => {
  assert.equal(readFileName('圖-{number}', false), '圖-{number}')
  assert.throws(
    () => readFileName('{name}', false),
    /"\{name\}" contains "\{name\}"; the placeholders are \{id\}, \{index\}, \{number\}/,
  )
  assert.throws(() => readFileName('a/b', false), /"a\/b" contains "\/"/)
})

describe('a key', () => {
  const fault = (text: string) => faultOf(() => values.readApiKey(text))
  test('a key of six or more visible characters is accepted unchanged', () => {
    for (const key of ['abcdef', 'sk-~!"x', 'bearer-abc']) assert.equal(values.readApiKey(key), key)
  })
  test('an invalid key is refused without showing any of it', () => {
    for (const [text, reason] of [
      ['', /^must not be empty\. Pass a secret\./],
      ['"abcdefg"', /^is in quotes\./],
      ['Bearer abcdefg', /^starts with "Bearer "/],
      ['BEARER\tabcdefg', /^starts with "Bearer "/],
      ['my-bearer abcdefg', /^contains whitespace/],
      ['abc defg', /^contains whitespace/],
      ['abcdefg\n', /^contains whitespace/],
      ['abcdéfg', /^contains whitespace or a character that no key can have/],
      ['abcde', /^has 5 characters; no key is shorter than 6\.$/],
    ] as const) {
      assert.match(fault(text), reason)
      assert.doesNotMatch(fault(text), /abc/)
    }
  })
})

describe('the URL of an API', () => {
  const read = values.readApiUrl
  const fault = (text: string, api?: Parameters<typeof read>[1]) => faultOf(() => read(text, api))
  test('the URL of an API is read without trailing slashes', () => {
    for (const [text, base] of [
      ['https://api.replicate.com/v1', 'https://api.replicate.com/v1'],
      ['https://api.replicate.com/v1///', 'https://api.replicate.com/v1'],
      ['HTTP://Gateway.Example:8080/', 'http://gateway.example:8080'],
      ['https://x.example/predictions-api/v1', 'https://x.example/predictions-api/v1'],
    ] as const) {
      assert.equal(read(text), base)
    }
  })
  test('an invalid URL of an API is refused with the reason', () => {
    for (const [text, reason] of [
      ['gateway', /^"gateway" is not a URL\./],
      ['https://user@x.example', /^"\*\*\*@x\.example" contains a user name or a password\./],
      ['https://:word@x.example', /contains a user name or a password\./],
      ['ftp://x.example', /^"ftp:\/\/x\.example" does not start with https:\/\//],
      ['https://x.example/v1?token=1', /^"https:\/\/x\.example\/v1\?…" has a query or a fragment\./],
      ['https://x.example/v1#a', /has a query or a fragment\./],
      ['https://x.example/v1?', /has a query or a fragment\./],
    ] as const) {
      assert.match(fault(text), reason)
    }
  })
  test('a URL of an API with too long a path is refused with the part to use', () => {
    for (const end of [
      ...['/predictions', '/predictions/', '/predictions/abc', '/predictions/abc/cancel'],
      ...['/models/owner/name/predictions', '/deployments/owner/name/predictions'],
    ]) {
      assert.match(fault(`https://x.example/v1${end}`), / Use "https:\/\/x\.example\/v1" instead: /, end)
    }
  })
  test('the URL of a task API must be the root of the gateway', () => {
    const kling = apiNamed('kling')
    for (const text of ['https://x.example', 'https://x.example/v1beta']) assert.equal(read(text, kling), text)
    assert.equal(read('https://x.example/replicate/v1'), 'https://x.example/replicate/v1')
    for (const [text, root] of [
      ['https://x.example/kling/v1', 'https://x.example'],
      ['https://x.example/v1/', 'https://x.example'],
      ['https://x.example/team/dream-machine/v1', 'https://x.example/team'],
    ] as const) {
      assert.ok(
        fault(text, kling).includes(
          ` Use "${root}", the root of the gateway: ${decodeURIComponent(kling.path('{id}'))} is`,
        ),
        text,
      )
    }
  })
})

test('an API is found by its name in any case, and an unknown one is refused with the list of names', () => {
  assert.equal(values.readApi('Kling').name, 'kling')
  assert.equal(
    faultOf(() => values.readApi('klin')),
    `"klin" is not one of ${APIS.map(({ name }) => name).join(', ')}.`,
  )
})

describe('times', () => {
  test('a timeout of 0 means no limit', () => {
    assert.deepEqual(['30m', '0', '0s'].map(values.readTimeout), [
      1800,
      Number.POSITIVE_INFINITY,
      Number.POSITIVE_INFINITY,
    ])
    assert.match(
      faultOf(() => values.readTimeout('soon')),
      /^"soon" is not a duration such as .*; 0 means no limit other/,
    )
  })
  test('poll-interval is auto, or from a tenth of a second to an hour', () => {
    assert.deepEqual(['AUTO', '0.1', '1h'].map(values.readPollInterval), [undefined, 0.1, 3600])
    for (const text of ['99ms', '3601']) {
      assert.equal(
        faultOf(() => values.readPollInterval(text)),
        `"${text}" is out of range: from 0.1s to 1h are allowed.`,
      )
    }
    assert.match(
      faultOf(() => values.readPollInterval('x')),
      /^"x" is neither "auto" nor a duration/,
    )
  })
  test('cancel-after is written in the form that the API reads, in whole seconds', () => {
    const texts = ['', '5', '5.4s', '90', '3600', '1h30m5s', '1d']
    assert.deepEqual(texts.map(values.readCancelAfter), [undefined, '5s', '5s', '1m30s', '1h', '1h30m5s', '24h'])
    for (const text of ['4.9', 'x']) {
      assert.match(
        faultOf(() => values.readCancelAfter(text)),
        /is not a duration .*, of at least 5 seconds\.$/,
      )
    }
  })
})

describe('when predictions are canceled', () => {
  test('cancel-on is a set of events in either spelling, or never', () => {
    assert.deepEqual(
      ['never', 'NEVER', 'canceled', 'TIMEOUT,  Cancelled', 'timeout\ntimeout'].map((text) => [
        ...values.readCancelOn(text),
      ]),
      [[], [], ['cancelled'], ['timeout', 'cancelled'], ['timeout']],
    )
  })
  test('an unknown event in cancel-on is refused, and so is never with another event', () => {
    for (const text of ['success', 'never,timeout', 'timeout,success']) {
      assert.match(
        faultOf(() => values.readCancelOn(text)),
        /is neither "never" nor "cancelled", "timeout" or both\./,
      )
    }
  })
})

test('an artifact name is accepted if GitHub accepts it, and may be empty', () => {
  assert.deepEqual(['', 'my pictures', 'x'.repeat(255)].map(values.readArtifactName), [
    undefined,
    'my pictures',
    'x'.repeat(255),
  ])
  for (const character of '"<>|*?:\\/\r\n') {
    const said = `contains ${JSON.stringify(character)}; " < > | * ? : \\ / and line breaks are not allowed.`
    assert.ok(faultOf(() => values.readArtifactName(`a${character}b`)).endsWith(said), said)
  }
  assert.match(
    faultOf(() => values.readArtifactName('x'.repeat(256))),
    / is longer than 255 characters\.$/,
  )
})

test('a tag is read without refs/tags/, and refused if git does not accept it', () => {
  assert.deepEqual(['', 'refs/tags/v1', 'v1.2/rc-1', 'a.lock.b', 'refs/tags', 'a/refs/tags/v1'].map(values.readTag), [
    undefined,
    'v1',
    'v1.2/rc-1',
    'a.lock.b',
    'refs/tags',
    'a/refs/tags/v1',
  ])
  const wrong = [
    'a b',
    'a\nb',
    'a~1',
    'a^',
    'a:b',
    'a?',
    'a*',
    'a[',
    'a\\b',
    'a..b',
    'a@{1}',
    '-a',
    '/a',
    'a/',
    'a.lock',
  ]
  for (const text of [...wrong, 'a\x7f']) {
    assert.equal(
      faultOf(() => values.readTag(text)),
      `${JSON.stringify(text)} is not a valid tag name.`,
    )
  }
})

describe('what is run', () => {
  test('a model is read with or without a version', () => {
    assert.deepEqual(['', 'owner/name', 'owner/a.b-c_d:0a.b-c'].map(values.readModel), [
      undefined,
      { model: 'owner/name' },
      { version: '0a.b-c' },
    ])
    for (const text of ['owner/name:', 'owner/name:1:2']) {
      assert.equal(
        faultOf(() => values.readModel(text)),
        `"${text}" is neither owner/name nor owner/name:version.`,
      )
    }
  })
  test('the web address of a model is refused, and quoted in full', () => {
    const address = 'https://replicate.com/owner/name'
    assert.equal(
      faultOf(() => values.readModel(address)),
      `"${address}" is not of the form owner/name.`,
    )
  })
  test('a deployment has an owner and a name of up to 100 characters each', () => {
    const longest = `${'o'.repeat(100)}/${'n'.repeat(100)}`
    assert.deepEqual(values.readDeployment(longest), { deployment: longest })
    assert.equal(values.readDeployment(''), undefined)
    for (const text of ['name', 'a/b/c', '.a/b', 'a/.b', 'a/', '/b', 'a b/c', 'a/b c', `${longest}n`, `o${longest}`]) {
      assert.match(
        faultOf(() => values.readDeployment(text)),
        / is not of the form owner\/name\.$/,
        text,
      )
    }
  })
  test('a version has up to 128 characters', () => {
    assert.deepEqual(values.readVersion('v'.repeat(128)), { version: 'v'.repeat(128) })
    assert.equal(values.readVersion(''), undefined)
    for (const text of ['v'.repeat(129), 'a/b', 'a b', 'a:b']) {
      assert.match(
        faultOf(() => values.readVersion(text)),
        / is not a valid version: /,
      )
    }
  })
})

describe('a size', () => {
  test('a size is read in bytes, with decimal and binary units in any case', () => {
    const sizes = {
      '500': 500,
      '1 B': 1,
      '1.5kB': 1500,
      '2 MB': 2e6,
      '2GB': 2e9,
      '1 tb': 1e12,
      '1KiB': 1024,
      '1 MiB': 1_048_576,
      '1gib': 1_073_741_824,
      '1.0009kb': 1000,
    }
    for (const [text, bytes] of Object.entries(sizes)) assert.equal(values.readSize(text), bytes, text)
  })
  test('an invalid size, or one of less than a byte, is refused', () => {
    for (const text of ['', '0', '0.5', '-1', 'MB', '1 XB', '1  MB', '1e3', '1,5 MB', 'x1', '1MB!', '1.MB']) {
      assert.match(
        faultOf(() => values.readSize(text)),
        / is not a size such as /,
        text,
      )
    }
  })
})

test('allowed hosts are names, patterns or addresses in brackets, in lower case', () => {
  assert.deepEqual(values.readHosts('CDN.example.com, *.x_y.example,\n[::1] localhost'), [
    'cdn.example.com',
    '*.x_y.example',
    '[::1]',
    'localhost',
  ])
  assert.deepEqual(values.readHosts(''), [])
  const wrong = [
    'https://x.example',
    'x.example:80',
    'x.example/a',
    'a.*.example',
    '*',
    '.x',
    'x.',
    '[x]',
    '[::1',
    'a[::1]',
  ]
  for (const text of [...wrong, '[::1]a']) {
    assert.match(
      faultOf(() => values.readHosts(text)),
      / is not a host name\. Use names such as /,
      text,
    )
  }
  assert.match(
    faultOf(() => values.readHosts('a/b ok c/d')),
    /^"a\/b", "c\/d" is not/,
  )
})

test('keywords are read in any case, and whole numbers within their range', () => {
  assert.deepEqual(['warn', 'ERROR', 'Ignore'].map(values.readIfNoFilesFound), ['warn', 'error', 'ignore'])
  assert.deepEqual(['auto', 'NEVER'].map(values.readList), [true, false])
  assert.deepEqual(['true', 'FALSE'].map(values.readBoolean), [true, false])
  assert.deepEqual(
    ['0', '007', '9'].map((text) => values.readInteger(text, 0, 9)),
    [0, 7, 9],
  )
  const refused: [() => unknown, string][] = [
    [() => values.readIfNoFilesFound('fail'), '"fail" is not warn, error or ignore.'],
    [() => values.readList('always'), '"always" is neither auto nor never.'],
    [() => values.readBoolean('yes'), '"yes" is neither true nor false.'],
    [() => values.readInteger('0', 1, 9), '"0" is not a whole number from 1 to 9.'],
    [() => values.readInteger('10', 1, 9), '"10" is not a whole number from 1 to 9.'],
    [() => values.readInteger('5x', 1, 9), '"5x" is not a whole number from 1 to 9.'],
    [() => values.readInteger('x5', 1, 9), '"x5" is not a whole number from 1 to 9.'],
    [() => values.readInteger('', 0, 9), '"" is not a whole number from 0 to 9.'],
  ]
  for (const [read, message] of refused) assert.equal(faultOf(read), message)
})

test('a folder is resolved from the workspace, or from the home of the user after ~', () => {
  const at = (text: string) => values.readFolder(text, path.resolve('/workspace'))
  assert.equal(at(''), undefined)
  assert.equal(at('a/b'), path.resolve('/workspace/a/b'))
  assert.equal(at('/a'), path.resolve('/a'))
  assert.equal(at('~'), homedir())
  assert.equal(at('~/a'), path.join(homedir(), 'a'))
  assert.equal(at('~a'), path.resolve('/workspace/~a'))
  assert.equal(at('a/~'), path.resolve('/workspace/a/~'))
  for (const text of ['a\nb', 'a\rb', 'a/\n/b']) assert.throws(() => at(text), /contains a line break/)
})
