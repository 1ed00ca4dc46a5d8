import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { getOctokit } from '@actions/github'
import { ERROR_SAVING, type ReleasesApi, startReleasesApi } from './releases-api.ts'

const REPO = { owner: 'octo', repo: 'pictures' }
const octokit = (api: ReleasesApi) => getOctokit(api.token, { baseUrl: api.env.GITHUB_API_URL ?? '' }).rest.repos

async function upload(api: ReleasesApi, releaseId: number, name: string, bytes = 'a cake') {
  const headers = { 'content-type': 'image/png', 'content-length': bytes.length }
  const url = `${api.uploadOrigin}/repos/octo/pictures/releases/${releaseId}/assets{?name,label}`
  const target = { ...REPO, release_id: releaseId, url, name, data: bytes, headers }
  return (await octokit(api).uploadReleaseAsset(target)).data
}

describe("the double of GitHub's releases, as GitHub", () => {
  test('the double of releases gives the assets of a draft a URL that dies when the draft is published', async () => {
    await using api = await startReleasesApi()
    const release = api.add('v1', { draft: true })
    const { browser_download_url: early } = await upload(api, release.id, 'a.png')
    assert.match(early, /\/releases\/download\/untagged-[0-9a-f]{20}\/a\.png$/)
    assert.equal(api.download(early), undefined)
    api.publish(release)
    assert.equal(api.download(early), undefined)
    assert.equal(api.download('https://github.com/octo/pictures/releases/download/v1/a.png')?.toString(), 'a cake')
  })

  test('the double of releases returns digests, changes unusual names, and renames assets', async () => {
    await using api = await startReleasesApi()
    const { id } = api.add('v1')
    const asset = await upload(api, id, 'a cake (1).png')
    assert.equal(asset.name, 'a.cake.1.png')
    assert.equal(asset.digest, 'sha256:b695b4c2562ea3541d8b08b3cab5f3a973aa2020c4869bd2481cded8fdab5e3a')
    await upload(api, id, 'b.png')
    const rename = (name: string) => octokit(api).updateReleaseAsset({ ...REPO, asset_id: asset.id, name })
    assert.equal((await rename('c.png')).data.browser_download_url.split('/').at(-1), 'c.png')
    await assert.rejects(rename('b.png'), /already_exists/)
  })

  test('the double of releases does not find at once what was just created', async () => {
    await using api = await startReleasesApi()
    const release = api.add('v1', { hidden: { tag: 1, list: 1, assets: 1 } })
    await upload(api, release.id, 'a.png')
    const byTag = () => octokit(api).getReleaseByTag({ ...REPO, tag: 'v1' })
    await assert.rejects(byTag, { status: 404 })
    assert.equal((await byTag()).data.id, release.id)
    const assets = () => octokit(api).listReleaseAssets({ ...REPO, release_id: release.id })
    assert.deepEqual([(await assets()).data.length, (await assets()).data.length], [0, 1])
  })

  test('the double of releases refuses requests in the words of GitHub', async () => {
    await using api = await startReleasesApi()
    const frozen = api.add('v1', { immutable: true })
    await assert.rejects(upload(api, frozen.id, 'a.png'), {
      status: 422,
      message: /^Cannot upload assets to an immutable/,
    })
    const open = api.add('v2', { immutable: true, draft: true })
    await upload(api, open.id, 'a.png')
    await assert.rejects(upload(api, open.id, 'a.png'), {
      status: 422,
      message: /^Validation Failed: .*"already_exists"/,
    })
    api.fail('POST', 'bad gateway page', ERROR_SAVING)
    await assert.rejects(upload(api, open.id, 'b.png'), { status: 502, message: /<html>/ })
    await assert.rejects(upload(api, open.id, 'b.png'), { status: 422, message: /Error saving asset/ })
    await upload(api, open.id, 'b.png')
  })
})
