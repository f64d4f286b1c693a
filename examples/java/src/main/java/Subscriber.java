import com.fasterxml.jackson.annotation.JsonAutoDetect.Visibility;
import com.fasterxml.jackson.annotation.PropertyAccessor;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.FileDescriptor;
import java.io.FileOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.channels.FileChannel;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.LocalDate;
import java.util.Base64;
import java.util.Collection;
import java.util.HashMap;
import java.util.HashSet;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicInteger;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.AuthenticationException;
import org.apache.kafka.common.errors.AuthorizationException;
import org.apache.kafka.common.errors.TimeoutException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.StringDeserializer;

/**
 * A channel's availability kept in a file, from its topic: apply by revision, find gaps, go on after a kill.
 *
 * <p>Subscriber CHANNEL [--state FILE] [--until-idle-seconds N]; examples/README.md has the settings and the rule.
 */
public final class Subscriber {
  private static final String BOOTSTRAP = setting("BOOTSTRAP", "127.0.0.1:9092");
  private static final String REGISTRY = setting("REGISTRY", "http://127.0.0.1:8081").replaceAll("/$", "");
  private static final int BATCH = 200;
  private static final int TRIES = 4;
  private static final Duration WAIT = Duration.ofSeconds(30);
  private static final ObjectMapper JSON =
      new ObjectMapper().setVisibility(PropertyAccessor.FIELD, Visibility.NON_PRIVATE);

  /** What is kept of an offer; add what your channel needs. */
  record Offer(long revision, long quantity, String status, String next_date, String fallback, long as_of) {
    static Offer of(GenericRecord read) {
      Object date = read.get("next_date");
      return new Offer(
          (long) read.get("revision"),
          (long) read.get("quantity"),
          read.get("status").toString(),
          date == null ? null : LocalDate.ofEpochDay((int) date).toString(),
          read.get("fallback") == null ? null : read.get("fallback").toString(),
          (long) read.get("as_of"));
    }
  }

  /** Offers and offsets in one file, so that one rename writes both. Put one transaction of your database in its place. */
  static final class Store {
    Map<String, Offer> offers = new TreeMap<>();
    Map<Integer, Long> positions = new TreeMap<>();
    Map<String, Long> counts = new TreeMap<>();

    static Store open(Path path) throws IOException {
      return Files.exists(path) ? JSON.readValue(path.toFile(), Store.class) : new Store();
    }

    void save(Path path) throws IOException {
      Path part = path.resolveSibling(path.getFileName() + ".part");
      JSON.writeValue(part.toFile(), this);
      try (FileChannel file = FileChannel.open(part, StandardOpenOption.WRITE)) {
        file.force(true);
      }
      Files.move(part, path, StandardCopyOption.ATOMIC_MOVE, StandardCopyOption.REPLACE_EXISTING);
    }

    /** The rule. Returns what the offer was: change, gap (taken as well), repeat, deleted. */
    String apply(String sku, Offer offer, long previousRevision) {
      if (offer == null) { // the channel no longer has the SKU: its revision is forgotten with it
        offers.remove(sku);
        return "deleted";
      }
      Offer mine = offers.get(sku);
      if (mine != null && offer.revision() <= mine.revision()) {
        return "repeat";
      }
      offers.put(sku, offer);
      return mine != null && previousRevision > mine.revision() ? "gap" : "change";
    }

    void count(String outcome) {
      counts.merge(outcome, 1L, Long::sum);
    }
  }

  /** What ends the subscriber, in words; started again it goes on from its last batch. */
  static final class Trouble extends RuntimeException {
    Trouble(String words) {
      super(words);
    }
  }

  /** One value that is no offer; the next offer of its SKU shows as a gap. */
  static final class Unreadable extends Exception {
    Unreadable(String words) {
      super(words);
    }
  }

  /** Writers' schemas by id, each asked for once. Fields of newer schemas are read and left alone. */
  static final class Schemas {
    private final Map<Integer, Schema> known = new HashMap<>();
    private final HttpClient http = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(10)).build();

    GenericRecord read(byte[] value) throws Unreadable {
      if (value.length < 5 || value[0] != 0) {
        throw new Unreadable("not in the Confluent wire format (a zero byte, 4 bytes of schema id, Avro)");
      }
      int number = java.nio.ByteBuffer.wrap(value).getInt(1);
      Schema schema = known.get(number);
      if (schema == null) {
        known.put(number, schema = fetch(number));
      }
      try {
        var decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, null);
        return new GenericDatumReader<GenericRecord>(schema).read(null, decoder);
      } catch (IOException | RuntimeException error) {
        throw new Unreadable("does not fit its schema " + number + ": " + error);
      }
    }

    private Schema fetch(int number) throws Unreadable {
      URI url = URI.create(REGISTRY + "/schemas/ids/" + number);
      HttpRequest.Builder request = HttpRequest.newBuilder(url).timeout(Duration.ofSeconds(10));
      String user = setting("REGISTRY_USERNAME", "");
      if (!user.isEmpty()) {
        byte[] login = (user + ":" + content("REGISTRY_PASSWORD_FILE")).getBytes(StandardCharsets.UTF_8);
        request.header("Authorization", "Basic " + Base64.getEncoder().encodeToString(login));
      }
      String problem = "";
      for (int attempt = 0; attempt < TRIES; attempt++) {
        try {
          HttpResponse<String> answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
          if (answer.statusCode() == 200) {
            JsonNode found = JSON.readTree(answer.body());
            return new Schema.Parser().parse(found.get("schema").asText());
          }
          if (answer.statusCode() == 404) {
            throw new Unreadable("the registry " + REGISTRY + " has no schema " + number);
          }
          problem = "HTTP " + answer.statusCode();
          if (answer.statusCode() == 401 || answer.statusCode() == 403) {
            break;
          }
        } catch (IOException error) {
          problem = error.toString();
        } catch (InterruptedException error) {
          throw new Trouble("interrupted");
        }
        rest(500L << attempt);
      }
      throw new Trouble(url + ": " + problem);
    }
  }

  private final String topic;
  private final Path path;
  private final Store store;
  private final Schemas schemas = new Schemas();
  private final KafkaConsumer<String, byte[]> consumer;
  private volatile boolean stopping;

  Subscriber(String channel, Path path) throws IOException {
    this.topic = "channel." + channel + ".availability";
    this.path = path;
    this.store = Store.open(path);
    this.consumer = newConsumer();
  }

  private static KafkaConsumer<String, byte[]> newConsumer() {
    Properties settings = new Properties();
    settings.put("bootstrap.servers", BOOTSTRAP);
    settings.put("enable.auto.commit", "false"); // no group: partitions are assigned, offsets are the store's
    settings.put("isolation.level", "read_committed");
    settings.put("auto.offset.reset", "earliest");
    settings.put("max.poll.records", BATCH);
    settings.put("default.api.timeout.ms", "15000");
    String protocol = setting("SECURITY_PROTOCOL", "PLAINTEXT");
    settings.put("security.protocol", protocol);
    if (!setting("SSL_CA_FILE", "").isEmpty()) {
      settings.put("ssl.truststore.type", "PEM");
      settings.put("ssl.truststore.certificates", content("SSL_CA_FILE"));
    }
    if (!setting("SSL_CERTIFICATE_FILE", "").isEmpty()) {
      settings.put("ssl.keystore.type", "PEM");
      settings.put("ssl.keystore.certificate.chain", content("SSL_CERTIFICATE_FILE"));
      settings.put("ssl.keystore.key", content("SSL_KEY_FILE"));
    }
    if (protocol.startsWith("SASL")) {
      String mechanism = setting("SASL_MECHANISM", "SCRAM-SHA-512");
      String module = mechanism.startsWith("SCRAM") ? "scram.ScramLoginModule" : "plain.PlainLoginModule";
      settings.put("sasl.mechanism", mechanism);
      settings.put("sasl.jaas.config", String.format(
          "org.apache.kafka.common.security.%s required username=\"%s\" password=\"%s\";",
          module, quoted(setting("SASL_USERNAME", "")), quoted(content("SASL_PASSWORD_FILE"))));
    }
    return new KafkaConsumer<>(settings, new StringDeserializer(), new ByteArrayDeserializer());
  }

  /** Read until told to stop, or, with `idle`, until all is read and nothing came for so long. */
  private void run(Duration idle) throws IOException {
    var known = consumer.partitionsFor(topic);
    if (known == null || known.isEmpty()) {
      throw new Trouble(topic + ": there is no such topic; check the channel's id");
    }
    List<TopicPartition> places = known.stream().map(p -> new TopicPartition(topic, p.partition())).toList();
    say(store.positions.isEmpty() ? "snapshot" : "resuming", Map.of("positions", store.positions));
    consumer.assign(places);
    consumer.seekToBeginning(places);
    store.positions.forEach((partition, next) -> consumer.seek(new TopicPartition(topic, partition), next));
    long busyAt = System.nanoTime();
    try {
      while (!stopping) {
        ConsumerRecords<String, byte[]> records = consumer.poll(Duration.ofMillis(200));
        if (!records.isEmpty()) {
          take(records);
          busyAt = System.nanoTime();
        } else if (idle != null && System.nanoTime() - busyAt > idle.toNanos() && atEnd(consumer, places)) {
          break;
        }
      }
    } finally {
      consumer.close();
    }
  }

  /** One batch, one file: offers, counts and offsets together. */
  private void take(Iterable<ConsumerRecord<String, byte[]>> records) throws IOException {
    Map<TopicPartition, Set<String>> gaps = new HashMap<>();
    for (ConsumerRecord<String, byte[]> record : records) {
      String outcome;
      try {
        outcome = apply(record);
      } catch (Unreadable error) {
        System.err.printf("%s[%d]@%d: %s%n", topic, record.partition(), record.offset(), error.getMessage());
        outcome = "unreadable";
      }
      store.count(outcome);
      store.positions.put(record.partition(), record.offset() + 1);
      if (outcome.equals("gap")) {
        gaps.computeIfAbsent(new TopicPartition(topic, record.partition()), p -> new HashSet<>()).add(record.key());
      }
      if (!outcome.equals("repeat")) {
        tell(outcome, record.key());
      }
    }
    gaps.forEach(this::resynchronise);
    store.save(path);
  }

  private String apply(ConsumerRecord<String, byte[]> record) throws Unreadable {
    if (record.value() == null) {
      return store.apply(record.key(), null, 0);
    }
    GenericRecord read = schemas.read(record.value());
    return store.apply(record.key(), Offer.of(read), (long) read.get("previous_revision"));
  }

  /** After a gap: the newest offers of just these SKUs, never a full import. */
  private void resynchronise(TopicPartition place, Set<String> skus) {
    newest(place, skus).forEach((sku, offer) -> {
      store.apply(sku, offer, 0);
      store.count("resynchronised");
      tell("resynchronised", sku);
    });
  }

  /** Read the compacted partition once, up to where it ends now. The topic holds every SKU's newest offer. */
  private Map<String, Offer> newest(TopicPartition place, Set<String> skus) {
    Map<String, Offer> found = new TreeMap<>();
    try (KafkaConsumer<String, byte[]> reader = newConsumer()) {
      reader.assign(List.of(place));
      reader.seekToBeginning(List.of(place));
      long end = reader.endOffsets(List.of(place)).get(place);
      long until = System.nanoTime() + WAIT.toNanos();
      while (reader.position(place) < end) {
        for (ConsumerRecord<String, byte[]> record : reader.poll(Duration.ofMillis(200))) {
          if (!skus.contains(record.key())) {
            continue;
          }
          if (record.value() == null) {
            found.remove(record.key());
            continue;
          }
          try {
            Offer offer = Offer.of(schemas.read(record.value()));
            found.merge(record.key(), offer, (one, other) -> other.revision() > one.revision() ? other : one);
          } catch (Unreadable skipped) {
            // told of when its turn comes
          }
        }
        if (System.nanoTime() > until) {
          throw new Trouble(place + ": not read to its end (" + end + ") within " + WAIT);
        }
      }
    }
    return found;
  }

  private static boolean atEnd(KafkaConsumer<?, ?> consumer, Collection<TopicPartition> places) {
    return consumer.endOffsets(places).entrySet().stream().allMatch(e -> consumer.position(e.getKey()) >= e.getValue());
  }

  private void tell(String outcome, String sku) {
    Map<String, Object> line = new LinkedHashMap<>(Map.of("sku", sku));
    if (store.offers.containsKey(sku) && !outcome.equals("unreadable")) {
      line.putAll(JSON.convertValue(store.offers.get(sku), LinkedHashMap.class));
    }
    say(outcome, line);
  }

  /** One line a change, before the store is written: after a kill a line may come twice, but none is missing. */
  private static void say(String outcome, Map<String, ?> more) {
    Map<String, Object> line = new LinkedHashMap<>(Map.of("event", outcome));
    line.putAll(more);
    try {
      System.out.println(JSON.writeValueAsString(line));
    } catch (IOException error) {
      throw new IllegalStateException(error);
    }
  }

  private static String setting(String name, String otherwise) {
    String value = System.getenv("STOCKSTREAM_" + name);
    return value == null || value.isEmpty() ? otherwise : value;
  }

  /** What is in the file that a setting names. */
  private static String content(String name) {
    String path = setting(name, "");
    try {
      return path.isEmpty() ? "" : Files.readString(Path.of(path)).stripTrailing();
    } catch (IOException error) {
      throw new Trouble("STOCKSTREAM_" + name + "=" + path + ": cannot be read");
    }
  }

  private static String quoted(String text) {
    return text.replace("\\", "\\\\").replace("\"", "\\\"");
  }

  private static void rest(long milliseconds) {
    try {
      Thread.sleep(milliseconds);
    } catch (InterruptedException error) {
      throw new Trouble("interrupted");
    }
  }

  public static void main(String[] arguments) throws Exception {
    System.setOut(new PrintStream(new FileOutputStream(FileDescriptor.out), true, StandardCharsets.UTF_8));
    if (arguments.length == 0 || arguments.length % 2 == 0) {
      System.err.println("Subscriber CHANNEL [--state FILE] [--until-idle-seconds N]");
      System.exit(2);
    }
    String channel = arguments[0];
    Path path = Path.of(channel + ".json");
    Duration idle = null;
    for (int i = 1; i < arguments.length; i += 2) {
      switch (arguments[i]) {
        case "--state" -> path = Path.of(arguments[i + 1]);
        case "--until-idle-seconds" -> idle = Duration.ofMillis((long) (1000 * Double.parseDouble(arguments[i + 1])));
        default -> throw new IllegalArgumentException(arguments[i]);
      }
    }
    AtomicInteger code = new AtomicInteger(1);
    CountDownLatch done = new CountDownLatch(1);
    try {
      Subscriber subscriber = new Subscriber(channel, path.toAbsolutePath());
      Runtime.getRuntime().addShutdownHook(new Thread(() -> subscriber.stop(done, code)));
      subscriber.run(idle);
      say("state", Map.of("offers", subscriber.store.offers, "counts", subscriber.store.counts));
      code.set(0);
    } catch (TimeoutException error) {
      System.err.printf("Ended: no broker answers at %s (%s); does it run?%n", BOOTSTRAP, error.getMessage());
    } catch (AuthenticationException error) {
      System.err.printf("Ended: the broker refuses the login; check STOCKSTREAM_SASL_USERNAME and its password (%s)%n", error.getMessage());
    } catch (AuthorizationException error) {
      System.err.printf("Ended: this user may not read the topic; ask for the channel's ACL (%s)%n", error.getMessage());
    } catch (Trouble | KafkaException error) {
      System.err.printf("Ended: %s%n", error.getMessage());
    } finally {
      done.countDown();
    }
    System.exit(code.get()); // waits for ever where a signal's hook is running, which then ends the process
  }

  /** SIGTERM: let the batch in hand be finished, and leave with its code; a signal's own would be 143. */
  private void stop(CountDownLatch done, AtomicInteger code) {
    stopping = true;
    try {
      done.await();
      Runtime.getRuntime().halt(code.get());
    } catch (InterruptedException error) {
      Thread.currentThread().interrupt();
    }
  }
}
