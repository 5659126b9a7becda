n = 300;
a = reshape(mod((1:n * n) * 7919, 10007), n, n) / 10007;
for i = 1:10
  a = a * a';
  a = a / max(a(:));
end
printf("%.9f %.9f\n", trace(a), sum((a + eye(n)) \ ones(n, 1)));
total = 0;
for i = 1:1500000
  total = mod(total * 31 + i, 1000003);
end
disp(total);
words = cellfun(@(k) sprintf("w%d", mod(k * 31, 97)), num2cell(1:20000), "UniformOutput", false);
disp(numel(unique(words)));
f = fft(sin((1:2^16) / 100));
printf("%.6f\n", abs(f(105)));
save("-text", "kept", "a");
b = load("kept");
disp(max(abs(b.a(:) - a(:))) < 1e-12);
exit(21);
