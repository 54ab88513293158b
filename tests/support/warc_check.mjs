// node warc_check.mjs FILE…: reads every record with npm's warcio and recomputes its digests, sharing no code with impound.
// Prints "FILE: N records ok" for each file; says what is wrong and exits 1 otherwise.
import { createHash } from "node:crypto";
import { createReadStream, statSync } from "node:fs";
import { WARCParser } from "warcio";

const needed = ["WARC-Type", "WARC-Record-ID", "WARC-Date", "Content-Length", "WARC-Block-Digest"];

function sha256(bytes) {
  return "sha256:" + createHash("sha256").update(bytes).digest("hex");
}

/** What follows the HTTP head; a record that is no HTTP message is all payload. */
function payloadOf(record, block) {
  if (!(record.warcContentType ?? "").startsWith("application/http")) return block;
  const end = block.indexOf("\r\n\r\n");
  return end < 0 ? Buffer.alloc(0) : block.subarray(end + 4);
}

async function check(file) {
  const parser = new WARCParser(createReadStream(file), { parseHttp: false });
  let records = 0;
  let bytes = 0;
  for await (const record of parser) {
    const block = Buffer.from(await record.readFully(false));
    const at = `record ${records} (${record.warcHeader("WARC-Record-ID")})`;
    if (record.warcHeaders.protocol !== "WARC/1.1") throw new Error(`${at} is ${record.warcHeaders.protocol}`);
    for (const name of needed) if (!record.warcHeader(name)) throw new Error(`${at} has no ${name}`);
    if ((records === 0) !== (record.warcType === "warcinfo")) throw new Error(`${at} is a ${record.warcType}`);
    if (Boolean(record.warcTargetURI) === (record.warcType === "warcinfo")) throw new Error(`${at}: WARC-Target-URI`);
    if (!/^<urn:uuid:[0-9a-f-]{36}>$/.test(record.warcHeader("WARC-Record-ID"))) throw new Error(`${at}: no urn:uuid`);
    if (block.length !== record.warcContentLength) throw new Error(`${at} has ${block.length} bytes`);
    if (sha256(block) !== record.warcBlockDigest) throw new Error(`${at}: its block is ${sha256(block)}`);
    const payload = sha256(payloadOf(record, block));
    const claimed = record.warcPayloadDigest;
    if (claimed && payload !== claimed) throw new Error(`${at}: its payload is ${payload}`);
    await record.skipFully();
    await parser.readToNextRecord();
    records += 1;
    bytes += parser.recordLength;
  }
  const size = statSync(file).size;
  if (bytes !== size) throw new Error(`its records have ${bytes} bytes, the file ${size}`);
  if (records === 0) throw new Error("it has no record");
  return records;
}

let failed = process.argv.length < 3;
if (failed) console.error("usage: node warc_check.mjs FILE…");
for (const file of process.argv.slice(2)) {
  try {
    console.log(`${file}: ${await check(file)} records ok`);
  } catch (error) {
    failed = true;
    console.error(`${file}: ${error.message}`);
  }
}
process.exit(failed ? 1 : 0);
