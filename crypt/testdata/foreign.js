// Reads a manifest of objects, and for each decrypts the object and encrypts
// the plaintext anew, with Node's crypto alone. Writes OBJECT.plain and
// OBJECT.object. Node wants a 16-byte counter block for CTR and the GCM tag apart.
const crypto = require("crypto");
const fs = require("fs");

for (const f of JSON.parse(fs.readFileSync(process.argv[2]))) {
  const key = Buffer.from(f.key, "hex");
  let iv = Buffer.from(f.iv, "hex");
  if (f.mode === "CTR") iv = Buffer.concat([iv, Buffer.alloc(16 - iv.length)]);
  const name = `aes-${key.length * 8}-${f.mode.toLowerCase()}`;
  const gcm = f.mode === "GCM";

  let text = fs.readFileSync(f.object);
  const decipher = crypto.createDecipheriv(name, key, iv);
  if (gcm) {
    decipher.setAuthTag(text.subarray(-16));
    text = text.subarray(0, -16);
  }
  fs.writeFileSync(f.object + ".plain", Buffer.concat([decipher.update(text), decipher.final()]));

  const cipher = crypto.createCipheriv(name, key, iv);
  const made = [cipher.update(fs.readFileSync(f.plain)), cipher.final()];
  if (gcm) made.push(cipher.getAuthTag());
  fs.writeFileSync(f.object + ".object", Buffer.concat(made));
}
