using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Llama.Bench.Run;

/// <summary>What this machine can do at most with a number of threads: every result stands as a fraction of it.</summary>
/// <param name="GigabytesPerSecond">Memory read in one pass over a buffer far larger than the caches, 10^9 bytes/s.</param>
/// <param name="GigaflopsPerSecond">Single-precision fused multiply-adds on registers, two operations each, 10^9/s.</param>
internal sealed record MachineLimits(double GigabytesPerSecond, double GigaflopsPerSecond)
{
    private const int Repetitions = 7;
    private const long BufferBytes = 512L << 20;

    /// <summary>Measures both, as the best of several repetitions.</summary>
    public static unsafe MachineLimits Measure(int threads)
    {
        byte* buffer = (byte*)NativeMemory.AlignedAlloc((nuint)BufferBytes, 64);
        try
        {
            new Span<byte>(buffer, (int)BufferBytes).Fill(1);
            long share = BufferBytes / threads / 4096 * 4096;
            double seconds = Best(threads, thread => Read((float*)(buffer + (thread * share)), share / sizeof(float)));
            double bytesPerSecond = share * threads / seconds;

            const int Rounds = 20_000_000;
            seconds = Best(threads, _ => MultiplyAdd(Rounds));
            return new MachineLimits(bytesPerSecond / 1e9, threads * (double)Rounds * 12 * Vector256<float>.Count * 2 / seconds / 1e9);
        }
        finally
        {
            NativeMemory.AlignedFree(buffer);
        }
    }

    private static double Best(int threads, Func<int, float> work)
    {
        double best = double.PositiveInfinity;
        for (int repetition = 0; repetition < Repetitions; repetition++)
        {
            float[] sums = new float[threads];
            long start = Stopwatch.GetTimestamp();
            Thread[] others = [.. Enumerable.Range(1, threads - 1).Select(thread => new Thread(() => sums[thread] = work(thread)))];
            foreach (Thread other in others) other.Start();
            sums[0] = work(0);
            foreach (Thread other in others) other.Join();
            best = Math.Min(best, Stopwatch.GetElapsedTime(start).TotalSeconds);

            // The sums are used, so the loops cannot be left out.
            if (sums.Any(float.IsNaN)) throw new InvalidOperationException("The ceilings' sums are no numbers.");
        }

        return best;
    }

    private static unsafe float Read(float* buffer, long length)
    {
        Vector256<float> a = default, b = default, c = default, d = default;
        for (long i = 0; i <= length - 32; i += 32)
        {
            a += Vector256.Load(buffer + i);
            b += Vector256.Load(buffer + i + 8);
            c += Vector256.Load(buffer + i + 16);
            d += Vector256.Load(buffer + i + 24);
        }

        return Vector256.Sum(a + b + c + d);
    }

    /// <summary>Twelve independent chains: enough for two units of four or five cycles.</summary>
    private static float MultiplyAdd(int rounds)
    {
        Vector256<float> x = Vector256.Create(0.999f), y = Vector256.Create(0.001f);
        Vector256<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int round = 0; round < rounds; round++)
        {
            a = Vector256.FusedMultiplyAdd(a, x, y);
            b = Vector256.FusedMultiplyAdd(b, x, y);
            c = Vector256.FusedMultiplyAdd(c, x, y);
            d = Vector256.FusedMultiplyAdd(d, x, y);
            e = Vector256.FusedMultiplyAdd(e, x, y);
            f = Vector256.FusedMultiplyAdd(f, x, y);
            g = Vector256.FusedMultiplyAdd(g, x, y);
            h = Vector256.FusedMultiplyAdd(h, x, y);
            i = Vector256.FusedMultiplyAdd(i, x, y);
            j = Vector256.FusedMultiplyAdd(j, x, y);
            k = Vector256.FusedMultiplyAdd(k, x, y);
            l = Vector256.FusedMultiplyAdd(l, x, y);
        }

        return Vector256.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }
}
