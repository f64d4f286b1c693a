// A channel's availability kept in a file, from its topic: apply by revision, find gaps, go on after a kill.
//
// node subscriber.js CHANNEL [--state FILE] [--until-idle-seconds N]; examples/README.md has the settings and the rule.

import avro from "avsc";
import kafkajs from "kafkajs";
import lz4 from "lz4-napi";
import { closeSync, existsSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from "node:fs";
import { setTimeout as rest } from "node:timers/promises";
import { parseArgs } from "node:util";

const { CompressionCodecs, CompressionTypes, Kafka, logLevel } = kafkajs;
const setting = (name, otherwise = "") => process.env[`STOCKSTREAM_${name}`] || otherwise;
const content = (name) => (setting(name) ? readFileSync(setting(name), "utf8").trimEnd() : undefined);
const BOOTSTRAP = setting("BOOTSTRAP", "127.0.0.1:9092");
const REGISTRY = setting("REGISTRY", "http://127.0.0.1:8081").replace(/\/$/, "");
const KEPT = ["revision", "quantity", "status", "next_date", "fallback", "as_of"];
const BATCH = 200;
const TRIES = 4;
const WAIT_MS = 30_000;
const IN_WORDS = {
  UNKNOWN_TOPIC_OR_PARTITION: "there is no such topic; check the channel's id",
  TOPIC_AUTHORIZATION_FAILED: "this user may not read the topic; ask for the channel's ACL",
  GROUP_AUTHORIZATION_FAILED: "this user may not use the group; ask for the channel's ACL",
  KafkaJSSASLAuthenticationError: "the broker refuses the login; check STOCKSTREAM_SASL_USERNAME and its password",
};

CompressionCodecs[CompressionTypes.LZ4] = () => ({
  compress: (encoder) => lz4.compressFrame(encoder.buffer),
  decompress: (buffer) => lz4.decompressFrame(buffer),
});

/** What ends the subscriber, in words; started again it goes on from its last batch. */
class Trouble extends Error {}

/** One value that is no offer; the next offer of its SKU shows as a gap. */
class Unreadable extends Error {}

/** Writers' schemas by id, each asked for once. Fields of newer schemas are read and left alone. */
class Schemas {
  #known = new Map();

  async read(value) {
    if (value.length < 5 || value[0] !== 0) {
      throw new Unreadable("not in the Confluent wire format (a zero byte, 4 bytes of schema id, Avro)");
    }
    const number = value.readUInt32BE(1);
    if (!this.#known.has(number)) this.#known.set(number, avro.Type.forSchema(await this.#fetch(number)));
    let offer;
    try {
      offer = this.#known.get(number).fromBuffer(value.subarray(5));
    } catch (error) {
      throw new Unreadable(`does not fit its schema ${number}: ${error.message}`);
    }
    const date = offer.next_date; // days since 1970
    return { ...offer, next_date: date === null ? null : new Date(date * 86_400_000).toISOString().slice(0, 10) };
  }

  async #fetch(number) {
    const url = `${REGISTRY}/schemas/ids/${number}`;
    const login = Buffer.from(`${setting("REGISTRY_USERNAME")}:${content("REGISTRY_PASSWORD_FILE")}`).toString("base64");
    const headers = setting("REGISTRY_USERNAME") ? { Authorization: `Basic ${login}` } : {};
    let problem;
    for (let attempt = 0; attempt < TRIES; attempt++) {
      try {
        const answer = await fetch(url, { headers, signal: AbortSignal.timeout(10_000) });
        if (answer.ok) return JSON.parse((await answer.json()).schema);
        if (answer.status === 404) throw new Unreadable(`the registry ${REGISTRY} has no schema ${number}`);
        problem = `HTTP ${answer.status}`;
        if (answer.status === 401 || answer.status === 403) break;
      } catch (error) {
        if (error instanceof Unreadable) throw error;
        problem = error.cause?.message || error.message;
      }
      await rest(500 * 2 ** attempt);
    }
    throw new Trouble(`${url}: ${problem}`);
  }
}

/** Offers and offsets in one file, so that one rename writes both. Put one transaction of your database in its place. */
class Store {
  #path;

  constructor(path) {
    this.#path = path;
    const found = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : {};
    this.offers = new Map(found.offers);
    this.positions = new Map(found.positions);
    this.counts = new Map(found.counts);
  }

  save() {
    const part = `${this.#path}.part`;
    const file = openSync(part, "w");
    const content = { offers: [...this.offers], positions: [...this.positions], counts: [...this.counts] };
    writeSync(file, JSON.stringify(content));
    fsyncSync(file);
    closeSync(file);
    renameSync(part, this.#path);
  }

  /** The rule. Returns what the offer was: change, gap (taken as well), repeat, deleted. */
  apply(sku, offer) {
    if (offer === null) {
      this.offers.delete(sku); // the channel no longer has the SKU: its revision is forgotten with it
      return "deleted";
    }
    const mine = this.offers.get(sku);
    if (mine && offer.revision <= mine.revision) return "repeat";
    this.offers.set(sku, Object.fromEntries(KEPT.map((name) => [name, offer[name]])));
    return mine && offer.previous_revision > mine.revision ? "gap" : "change";
  }

  count(outcome) {
    this.counts.set(outcome, (this.counts.get(outcome) ?? 0) + 1);
  }
}

/** One line a change, before the store is written: after a kill a line may come twice, but none is missing. */
function say(event, more) {
  process.stdout.write(`${JSON.stringify({ event, ...more })}\n`);
}

/** One channel's topic, all its partitions. A second instance needs a store and a group of its own. */
class Subscriber {
  #schemas = new Schemas();
  #ending = Promise.withResolvers?.() ?? withResolvers();

  constructor(channel, store) {
    this.topic = `channel.${channel}.availability`;
    this.group = setting("GROUP", `${channel}-subscriber`); // kafkajs wants one; offsets are the store's
    this.store = store;
    this.kafka = new Kafka({ brokers: BOOTSTRAP.split(","), clientId: this.group, logLevel: logLevel.NOTHING, ...security() });
  }

  stop(error) {
    if (error) this.#ending.reject(error);
    else this.#ending.resolve();
  }

  async run(idleMs) {
    await this.#find();
    const { positions } = this.store;
    say(positions.size ? "resuming" : "snapshot", { positions: Object.fromEntries(positions) });
    const reader = await this.#read(this.group, positions, [], (partition, messages) => this.#take(partition, messages));
    const watch = setInterval(() => {
      if (idleMs !== undefined && reader.quietFor() > idleMs) this.stop();
    }, 100);
    try {
      await this.#ending.promise;
    } finally {
      clearInterval(watch);
      await reader.close(); // waits for the batch in hand
    }
  }

  /** Fail early, and in words. */
  async #find() {
    const admin = this.kafka.admin();
    try {
      await admin.connect();
    } catch (error) {
      throw new Trouble(IN_WORDS[error.type ?? error.name] ?? `no broker answers at ${BOOTSTRAP} (${error.message}); does it run?`);
    }
    try {
      await admin.fetchTopicMetadata({ topics: [this.topic] });
    } catch (error) {
      throw new Trouble(`${this.topic}: ${IN_WORDS[error.type ?? error.name] ?? error.message}`);
    } finally {
      await admin.disconnect();
    }
  }

  /** A consumer from the given offsets (from the beginning where there is none), in slices, one after the other. */
  async #read(groupId, positions, paused, take) {
    const { topic } = this;
    const consumer = this.kafka.consumer({ groupId, sessionTimeout: 6_000, maxWaitTimeInMs: 200 }); // reads committed
    let [busyAt, fetches] = [Date.now(), 0];
    consumer.on(consumer.events.GROUP_JOIN, () => {
      if (paused.length) consumer.pause([{ topic, partitions: paused }]);
      for (const [partition, next] of positions) consumer.seek({ topic, partition, offset: String(next) });
    });
    consumer.on(consumer.events.FETCH, () => fetches++);
    consumer.on(consumer.events.CRASH, ({ payload: { error, restart } }) => {
      const cause = error.cause ?? error;
      console.error(`Kafka at ${BOOTSTRAP}: ${cause.message}`);
      if (!restart) this.stop(new Trouble(`${topic}: ${IN_WORDS[cause.type ?? cause.name] ?? cause.message}`));
    });
    await consumer.connect();
    await consumer.subscribe({ topic, fromBeginning: true });
    await consumer.run({
      autoCommit: false,
      eachBatchAutoResolve: false,
      eachBatch: async ({ batch, resolveOffset, heartbeat, isRunning, isStale }) => {
        for (let i = 0; i < batch.messages.length && isRunning() && !isStale(); i += BATCH) {
          const slice = batch.messages.slice(i, i + BATCH);
          try {
            await take(batch.partition, slice);
          } catch (error) {
            this.stop(error);
            throw error;
          }
          resolveOffset(slice.at(-1).offset);
          [busyAt, fetches] = [Date.now(), 0];
          await heartbeat();
        }
      },
    });
    // Quiet is what the broker has said twice, not what was never asked.
    return { quietFor: () => (fetches < 2 ? 0 : Date.now() - busyAt), close: () => consumer.disconnect() };
  }

  /** One batch, one file: offers, counts and offsets together. */
  async #take(partition, messages) {
    const gaps = new Set();
    for (const message of messages) {
      const sku = message.key.toString();
      let outcome;
      let offer = null;
      try {
        if (message.value !== null) offer = await this.#schemas.read(message.value);
        outcome = this.store.apply(sku, offer);
      } catch (error) {
        if (!(error instanceof Unreadable)) throw error;
        console.error(`${this.topic}[${partition}]@${message.offset}: ${error.message}`);
        outcome = "unreadable";
      }
      this.store.count(outcome);
      this.store.positions.set(partition, Number(message.offset) + 1);
      if (outcome === "gap") gaps.add(sku);
      if (outcome !== "repeat") say(outcome, { sku, ...(offer && this.store.offers.get(sku)) });
    }
    if (gaps.size) await this.#resynchronise(partition, gaps);
    this.store.save();
  }

  /** After a gap: the newest offers of just these SKUs, never a full import. */
  async #resynchronise(partition, skus) {
    for (const [sku, offer] of await this.#newest(partition, skus)) {
      this.store.apply(sku, offer);
      this.store.count("resynchronised");
      say("resynchronised", { sku, ...this.store.offers.get(sku) });
    }
  }

  /** Read the compacted partition once, up to where it ends now. The topic holds every SKU's newest offer. */
  async #newest(partition, skus) {
    const admin = this.kafka.admin();
    await admin.connect();
    const partitions = await admin.fetchTopicOffsets(this.topic);
    await admin.disconnect();
    const end = Number(partitions.find((one) => one.partition === partition).high);
    const others = partitions.map((one) => one.partition).filter((one) => one !== partition);
    const newest = new Map();
    let at = 0;
    const reader = await this.#read(`${this.group}-resynchronise`, new Map(), others, async (from, messages) => {
      for (const { key, value, offset } of messages) {
        at = Number(offset) + 1;
        const sku = key.toString();
        if (!skus.has(sku) || from !== partition || at > end) continue;
        if (value === null) newest.delete(sku);
        else await this.#keepNewest(newest, sku, value);
      }
    });
    const until = Date.now() + WAIT_MS;
    while (at < end && reader.quietFor() < 500) { // what ends a log may be invisible: records of aborted transactions
      if (Date.now() > until) throw new Trouble(`${this.topic}[${partition}]: not read to its end (${end}) in time`);
      await rest(20);
    }
    await reader.close();
    return newest;
  }

  async #keepNewest(newest, sku, value) {
    try {
      const offer = await this.#schemas.read(value);
      if (offer.revision > (newest.get(sku)?.revision ?? -1)) newest.set(sku, offer);
    } catch (error) {
      if (!(error instanceof Unreadable)) throw error; // told of when its turn comes
    }
  }
}

function security() {
  const protocol = setting("SECURITY_PROTOCOL", "PLAINTEXT");
  const files = { ca: content("SSL_CA_FILE"), cert: content("SSL_CERTIFICATE_FILE"), key: content("SSL_KEY_FILE") };
  const login = { username: setting("SASL_USERNAME"), password: content("SASL_PASSWORD_FILE") };
  const sasl = { mechanism: setting("SASL_MECHANISM", "SCRAM-SHA-512").toLowerCase(), ...login };
  return { ssl: protocol.endsWith("SSL") && files, ...(protocol.startsWith("SASL") && { sasl }) };
}

function withResolvers() {
  const one = {};
  one.promise = new Promise((resolve, reject) => Object.assign(one, { resolve, reject }));
  return one;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { state: { type: "string" }, "until-idle-seconds": { type: "string" } },
});
if (positionals.length !== 1) {
  console.error("node subscriber.js CHANNEL [--state FILE] [--until-idle-seconds N]");
  process.exit(2);
}
const [channel] = positionals;
const idle = values["until-idle-seconds"];
try {
  const store = new Store(values.state ?? `${channel}.json`);
  const subscriber = new Subscriber(channel, store);
  for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => subscriber.stop());
  await subscriber.run(idle && 1000 * Number(idle));
  say("state", { offers: Object.fromEntries(store.offers), counts: Object.fromEntries(store.counts) });
} catch (error) {
  console.error(`Ended: ${error.message}`);
  process.exitCode = 1;
}
