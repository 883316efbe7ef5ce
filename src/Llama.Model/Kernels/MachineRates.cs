using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Text.Json.Serialization;
using Llama.Model.Machine;

namespace Llama.Model.Kernels;

/// <summary>What a number of threads reach together on this machine: the limits that a forward pass runs into.</summary>
/// <param name="BytesPerSecond">Memory read in one pass over a buffer far larger than the caches.</param>
/// <param name="OperationsPerSecond">
/// Single-precision fused multiply-adds on registers, two operations each, in the widest vectors that kernels use (<see cref="Kernels.Instructions"/>).
/// </param>
public sealed record MachineRates(double BytesPerSecond, double OperationsPerSecond)
{
    /// <summary>The vectors that it was measured with, as <see cref="Kernels.Instructions.Chosen"/> names them; null in rates that were computed.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Instructions { get; init; }

    private const int SliceFloats = 256 << 10;
    private const int MultiplyingSlices = 32;
    private const int Rounds = 20_000;
    private const int Chains = 12;
    private const int AlternatingRounds = 20;
    private const int AlternatingSteps = 5000;
    private const double EqualTimes = 1.05;
    private const long LeastBytes = 64L << 20;
    private const long BytesAThread = 16L << 20;
    private const long MostBytes = 1L << 30;

    /// <summary>Measures both within about a tenth of a second, on threads of its own.</summary>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="cores">Cores that they are pinned to, in order, at least one for each; null to pin none.</param>
    /// <exception cref="IOException">The process may not use a core, or gets no thread.</exception>
    public static Task<MachineRates> MeasureQuicklyAsync(int threads, IReadOnlyList<int>? cores)
    {
        // A machine with little memory needs it for the weights.
        long bytes = Math.Min(Math.Clamp(threads * BytesAThread, LeastBytes, MostBytes), MachineMemory.Limit / 8);
        return MeasureAsync(threads, cores, bytes, repetitions: 3);
    }

    /// <summary>Measures both on threads of its own, all of them at once.</summary>
    /// <param name="threads">Threads, at least 1.</param>
    /// <param name="cores">Cores that they are pinned to, in order, at least one for each; null to pin none.</param>
    /// <param name="bytes">Bytes of the buffer.</param>
    /// <param name="repetitions">Passes over the buffer, at least 1.</param>
    /// <exception cref="IOException">The process may not use a core, or gets no thread.</exception>
    public static async Task<MachineRates> MeasureAsync(int threads, IReadOnlyList<int>? cores, long bytes, int repetitions)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(repetitions, 1);
        MachineRates? rates = null;
        await OwnThread.Start("rates", () =>
        {
            using var pool = new WorkerPool(threads, "rates");
            try
            {
                if (cores is not null) pool.Run((part, _) => ThreadAffinity.Pin(cores[part]));
            }
            catch (InvalidOperationException e) when (e.InnerException is IOException refused)
            {
                throw refused;
            }

            rates = Measure(pool, bytes, repetitions);
        }).ConfigureAwait(false);
        return rates!;
    }

    /// <summary>Whether multiply-adds in 512-bit vectors are at least as fast as in 256-bit ones; takes a few milliseconds.</summary>
    internal static bool AreWideFaster()
    {
        // In turns, and the best of each, so that what else the machine does counts for neither. Equal is faster: fewer instructions load the same.
        double narrow = double.MaxValue, wide = double.MaxValue;
        for (int round = 0; round < AlternatingRounds; round++)
        {
            narrow = Math.Min(narrow, Time(MultiplyAdd) / Vector256<float>.Count);
            wide = Math.Min(wide, Time(MultiplyAddWide) / Vector512<float>.Count);
        }

        return wide < EqualTimes * narrow;

        static double Time(Func<int, float> work)
        {
            long start = Stopwatch.GetTimestamp();
            work(AlternatingSteps);
            return Stopwatch.GetTimestamp() - start;
        }
    }

    private static unsafe MachineRates Measure(WorkerPool pool, long bytes, int repetitions)
    {
        using var buffer = new NativeBuffer(Math.Max(bytes / sizeof(float) / SliceFloats, pool.ThreadCount) * SliceFloats);
        float* pointer = buffer.Pointer;
        int slices = (int)(buffer.Length / SliceFloats / pool.ThreadCount);

        // Memory that was never written is one page of zeros; and pages belong near the core that wrote them first.
        pool.Run((part, _) => new Span<float>(pointer + ((long)part * slices * SliceFloats), slices * SliceFloats).Fill(1));
        double reading = MedianRates(
            pool, slices * repetitions, (part, slice) => Read(pointer + ((((long)part * slices) + (slice % slices)) * SliceFloats)));
        double multiplying = MedianRates(
            pool, MultiplyingSlices * repetitions, (_, _) => Kernels.Instructions.AreWide ? MultiplyAddWide(Rounds) : MultiplyAdd(Rounds));
        int floats = Kernels.Instructions.AreWide ? Vector512<float>.Count : Vector256<float>.Count;
        return new MachineRates(reading * SliceFloats * sizeof(float), multiplying * Rounds * Chains * floats * 2)
        {
            Instructions = Kernels.Instructions.Chosen,
        };
    }

    /// <summary>
    /// Slices a second of all threads together, as the sum of what each did most of the time: slices are short, so that one which the
    /// system interrupted, or that other work of a starting process held up, is among the few that do not count.
    /// </summary>
    private static double MedianRates(WorkerPool pool, int slices, Func<int, int, float> work)
    {
        double[] rates = new double[pool.ThreadCount];
        pool.Run((part, _) =>
        {
            long[] times = new long[slices];
            float sum = 0;
            for (int slice = 0; slice < slices; slice++)
            {
                long start = Stopwatch.GetTimestamp();
                sum += work(part, slice);
                times[slice] = Stopwatch.GetTimestamp() - start;
            }

            // The sum is used, so the work cannot be left out.
            if (float.IsNaN(sum)) throw new InvalidOperationException("The sum of a measurement is no number.");
            Array.Sort(times);
            rates[part] = Stopwatch.Frequency / (double)Math.Max(1, times[slices / 2]);
        });
        return rates.Sum();
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static unsafe float Read(float* buffer)
    {
        if (Kernels.Instructions.AreWide) return ReadWide(buffer);
        Vector256<float> a = default, b = default, c = default, d = default;
        for (int i = 0; i <= SliceFloats - 32; i += 32)
        {
            a += Vector256.Load(buffer + i);
            b += Vector256.Load(buffer + i + 8);
            c += Vector256.Load(buffer + i + 16);
            d += Vector256.Load(buffer + i + 24);
        }

        return Vector256.Sum(a + b + c + d);
    }

    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    private static unsafe float ReadWide(float* buffer)
    {
        Vector512<float> a = default, b = default, c = default, d = default;
        for (int i = 0; i <= SliceFloats - 64; i += 64)
        {
            a += Vector512.Load(buffer + i);
            b += Vector512.Load(buffer + i + 16);
            c += Vector512.Load(buffer + i + 32);
            d += Vector512.Load(buffer + i + 48);
        }

        return Vector512.Sum(a + b + c + d);
    }

    /// <summary>Twelve independent chains: enough for two units of four or five cycles.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
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

    /// <summary>The same in 512-bit vectors; see <see cref="MultiplyAdd"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static float MultiplyAddWide(int rounds)
    {
        Vector512<float> x = Vector512.Create(0.999f), y = Vector512.Create(0.001f);
        Vector512<float> a = x, b = x, c = x, d = x, e = x, f = x, g = x, h = x, i = x, j = x, k = x, l = x;
        for (int round = 0; round < rounds; round++)
        {
            a = Vector512.FusedMultiplyAdd(a, x, y);
            b = Vector512.FusedMultiplyAdd(b, x, y);
            c = Vector512.FusedMultiplyAdd(c, x, y);
            d = Vector512.FusedMultiplyAdd(d, x, y);
            e = Vector512.FusedMultiplyAdd(e, x, y);
            f = Vector512.FusedMultiplyAdd(f, x, y);
            g = Vector512.FusedMultiplyAdd(g, x, y);
            h = Vector512.FusedMultiplyAdd(h, x, y);
            i = Vector512.FusedMultiplyAdd(i, x, y);
            j = Vector512.FusedMultiplyAdd(j, x, y);
            k = Vector512.FusedMultiplyAdd(k, x, y);
            l = Vector512.FusedMultiplyAdd(l, x, y);
        }

        return Vector512.Sum(a + b + c + d + e + f + g + h + i + j + k + l);
    }
}
