// Decrypts what a manifest on standard input lists, [{in, out, mode, key, iv}]
// with key and iv in hexadecimal and out optional, and prints for each the
// SHA-256 of the plaintext and its size, or an error. Node's crypto alone.
'use strict';
const crypto = require('node:crypto');
const fs = require('node:fs');

const names = { AES_CTR: 'ctr', AES_CBC: 'cbc', AES_GCM: 'gcm' };

function decrypt({ in: input, out, mode, key, iv }) {
  key = Buffer.from(key, 'hex');
  iv = Buffer.from(iv, 'hex');
  if (mode === 'AES_CTR' && iv.length === 12) iv = Buffer.concat([iv, Buffer.alloc(4)]);
  const decipher = crypto.createDecipheriv(`aes-${key.length * 8}-${names[mode]}`, key, iv);
  const from = fs.openSync(input, 'r');
  const to = out ? fs.openSync(out, 'w') : null;
  const hash = crypto.createHash('sha256');
  let left = fs.fstatSync(from).size;
  let size = 0;
  if (mode === 'AES_GCM') {
    left -= 16;
    const tag = Buffer.alloc(16);
    fs.readSync(from, tag, 0, 16, left);
    decipher.setAuthTag(tag);
  }
  const take = (plain) => {
    hash.update(plain);
    size += plain.length;
    for (let at = 0; to !== null && at < plain.length;) at += fs.writeSync(to, plain, at);
  };
  const chunk = Buffer.alloc(1 << 20);
  for (let at = 0; left > 0;) {
    const n = fs.readSync(from, chunk, 0, Math.min(left, chunk.length), at);
    if (n === 0) throw new Error('the file is shorter than it was');
    at += n;
    left -= n;
    take(decipher.update(chunk.subarray(0, n)));
  }
  take(decipher.final()); // GCM: throws if the tag is wrong
  fs.closeSync(from);
  if (to !== null) fs.closeSync(to);
  return { sha256: hash.digest('hex'), size };
}

const manifest = JSON.parse(fs.readFileSync(0, 'utf8'));
const results = manifest.map((entry) => {
  try {
    return decrypt(entry);
  } catch (e) {
    return { error: String(e) };
  }
});
process.stdout.write(JSON.stringify(results));
