import java.util.ArrayList;
import java.util.TreeMap;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.stream.IntStream;

/** A pool that makes garbage enough for the collector and is hot enough for both compilers. */
public class Work {
    static long work(long value) {
        for (var step = 0; step < 400_000; step++) {
            value = value * 6364136223846793005L + 1442695040888963407L;
        }
        return (value >>> 33) % 1_000_003;
    }

    public static void main(String[] arguments) throws Exception {
        var pool = Executors.newFixedThreadPool(4);
        var kept = new ConcurrentHashMap<Integer, byte[]>();
        var total = 0L;
        for (var round = 0; round < 600; round++) {
            var parts = new ArrayList<Future<Long>>();
            for (var part = 0; part < 8; part++) {
                var seed = round * 8 + part;
                parts.add(pool.submit(() -> {
                    var garbage = new StringBuilder();
                    for (var i = 0; i < 4000; i++) {
                        garbage.append(seed * i % 9973).append(' ');
                    }
                    kept.put(seed % 400, new byte[50_000]);
                    return work(seed) + garbage.length() + new TreeMap<>(kept).size() % 1;
                }));
            }
            for (var part : parts) {
                total = (total * 31 + part.get()) % 1_000_000_007;
            }
            var base = total;
            total = (total + IntStream.range(0, 50_000).parallel().mapToLong(i -> (base + i) % 1009).sum()) % 1_000_000_007;
        }
        System.out.println(total + " " + kept.size());
        pool.shutdown();
        System.exit(17);
    }
}
