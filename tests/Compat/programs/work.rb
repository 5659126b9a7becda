require 'digest'
require 'json'
require 'open3'
require 'set'

queue, answers = Queue.new, {}
lock = Mutex.new
workers = 4.times.map do
  Thread.new do
    while (number = queue.pop)
      words = Set.new((1..400).map { |i| "word#{(number * 7919 + i * 31) % 1009}" })
      digest = Digest::SHA256.hexdigest(JSON.generate(words.sort))
      lock.synchronize { answers[number] = digest }
    end
  end
end
20000.times { |number| queue << number }
4.times { queue << nil }
workers.each(&:join)
puts Digest::SHA256.hexdigest(answers.sort.flatten.join)
reader, writer = IO.pipe
children = (1..4).map do |number|
  fork do
    reader.close
    total = (1..900_000).inject(number) { |value, i| (value * 31 + i) % 1_000_003 }
    writer.puts "#{number} #{total}"
    exit! number
  end
end
writer.close
puts reader.read.lines.sort
puts children.map { |pid| Process.wait2(pid)[1].exitstatus }.inspect
out, status = Open3.capture2('sort -n | uniq -c | head -2', stdin_data: (1..5000).map { |i| i % 17 }.join("\n"))
puts out, status.exitstatus
fiber = Fiber.new { 5.times { |i| Fiber.yield i * i }; :done }
puts 6.times.map { fiber.resume }.inspect
GC.start
exit 15
