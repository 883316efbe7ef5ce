using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Llama.Model.KeyValueCache;

namespace Llama.Model.Kernels;

/// <summary>
/// The sums of <see cref="AttentionTile"/> in 512-bit vectors, for six queries at a time: those of two lie in pairs, eight numbers of one beside
/// eight of the other, so that a vector holds the lanes of two sums. 24 chains of additions in 32 registers.
/// </summary>
internal static unsafe class WideAttention
{
    /// <summary>Queries of a tile.</summary>
    public const int Rows = 6;

    private const int Keys = 8;
    private const int Vectors = 4;

    /// <summary>Whether so many queries that share keys go by tiles.</summary>
    public static bool Serves(int rows, int headDim) =>
        Instructions.AreWide && rows >= Rows / 2 && headDim % (Vectors * Vector512<float>.Count) == 0;

    /// <summary>Rows of whole tiles: what <see cref="Pack"/> writes, at most twice as many as there are.</summary>
    public static int Pad(int rows) => (rows + Rows - 1) / Rows * Rows;

    /// <summary>Puts two queries side by side; those beyond the last repeat it.</summary>
    /// <param name="first">The first query.</param>
    /// <param name="second">The second query.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="target">Receives <c>[headDim / 8, 2, 8]</c>.</param>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Pack(float* first, float* second, int headDim, float* target)
    {
        for (int i = 0; i < headDim; i += Lanes.Count, target += 2 * Lanes.Count)
            Lanes.Join(Vector256.Load(first + i), Vector256.Load(second + i)).Store(target);
    }

    /// <summary>Products with all keys of a block, each in canonical lanes.</summary>
    /// <param name="queries">Three pairs of queries.</param>
    /// <param name="keys">The block's keys, <c>[16, headDim]</c>.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="scores">Receives <c>[6, 16]</c>.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Score(float* queries, float* keys, int headDim, float* scores)
    {
        // Sums of even place belong to the first query of a pair.
        Vector512<int> order = Vector512.Create(0, 8, 1, 9, 2, 10, 3, 11, 4, 12, 5, 13, 6, 14, 7, 15);
        float* secondPair = queries + (2 * headDim);
        float* thirdPair = queries + (4 * headDim);
        for (int key = 0; key < KvCache.BlockTokens; key += Keys, keys += Keys * headDim, scores += Keys)
        {
            float* key1 = keys + headDim;
            float* key2 = key1 + headDim;
            float* key3 = key2 + headDim;
            float* key4 = key3 + headDim;
            float* key5 = key4 + headDim;
            float* key6 = key5 + headDim;
            float* key7 = key6 + headDim;
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default, a4 = default, a5 = default, a6 = default, a7 = default;
            Vector512<float> b0 = default, b1 = default, b2 = default, b3 = default, b4 = default, b5 = default, b6 = default, b7 = default;
            Vector512<float> c0 = default, c1 = default, c2 = default, c3 = default, c4 = default, c5 = default, c6 = default, c7 = default;
            for (nuint i = 0; i < (nuint)headDim; i += Lanes.Count)
            {
                Vector512<float> inputA = Vector512.Load(queries + (2 * i));
                Vector512<float> inputB = Vector512.Load(secondPair + (2 * i));
                Vector512<float> inputC = Vector512.Load(thirdPair + (2 * i));
                Add(Avx512DQ.BroadcastVector256ToVector512(keys + i), inputA, inputB, inputC, ref a0, ref b0, ref c0);
                Add(Avx512DQ.BroadcastVector256ToVector512(key1 + i), inputA, inputB, inputC, ref a1, ref b1, ref c1);
                Add(Avx512DQ.BroadcastVector256ToVector512(key2 + i), inputA, inputB, inputC, ref a2, ref b2, ref c2);
                Add(Avx512DQ.BroadcastVector256ToVector512(key3 + i), inputA, inputB, inputC, ref a3, ref b3, ref c3);
                Add(Avx512DQ.BroadcastVector256ToVector512(key4 + i), inputA, inputB, inputC, ref a4, ref b4, ref c4);
                Add(Avx512DQ.BroadcastVector256ToVector512(key5 + i), inputA, inputB, inputC, ref a5, ref b5, ref c5);
                Add(Avx512DQ.BroadcastVector256ToVector512(key6 + i), inputA, inputB, inputC, ref a6, ref b6, ref c6);
                Add(Avx512DQ.BroadcastVector256ToVector512(key7 + i), inputA, inputB, inputC, ref a7, ref b7, ref c7);
            }

            Store(Lanes.SumEach(a0, a1, a2, a3, a4, a5, a6, a7, order), scores);
            Store(Lanes.SumEach(b0, b1, b2, b3, b4, b5, b6, b7, order), scores + (2 * KvCache.BlockTokens));
            Store(Lanes.SumEach(c0, c1, c2, c3, c4, c5, c6, c7, order), scores + (4 * KvCache.BlockTokens));
        }
    }

    /// <summary><c>output[i] += Σ weights[j] × values[j, i]</c> for each of six, position after position.</summary>
    /// <param name="weights">Weights of the block's positions, <c>[6, 16]</c>.</param>
    /// <param name="values">The block's values, <c>[16, headDim]</c>.</param>
    /// <param name="headDim">Width of a head, which <see cref="Serves"/> accepts.</param>
    /// <param name="outputs">Six outputs.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void AddValues(float* weights, float* values, int headDim, float** outputs)
    {
        for (int i = 0; i < headDim; i += Vectors * Vector512<float>.Count)
        {
            float* y0 = outputs[0] + i;
            float* y1 = outputs[1] + i;
            float* y2 = outputs[2] + i;
            float* y3 = outputs[3] + i;
            float* y4 = outputs[4] + i;
            float* y5 = outputs[5] + i;
            float* value = values + i;
            Vector512<float> a0 = Vector512.Load(y0), a1 = Vector512.Load(y0 + 16), a2 = Vector512.Load(y0 + 32), a3 = Vector512.Load(y0 + 48);
            Vector512<float> b0 = Vector512.Load(y1), b1 = Vector512.Load(y1 + 16), b2 = Vector512.Load(y1 + 32), b3 = Vector512.Load(y1 + 48);
            Vector512<float> c0 = Vector512.Load(y2), c1 = Vector512.Load(y2 + 16), c2 = Vector512.Load(y2 + 32), c3 = Vector512.Load(y2 + 48);
            Vector512<float> d0 = Vector512.Load(y3), d1 = Vector512.Load(y3 + 16), d2 = Vector512.Load(y3 + 32), d3 = Vector512.Load(y3 + 48);
            Vector512<float> e0 = Vector512.Load(y4), e1 = Vector512.Load(y4 + 16), e2 = Vector512.Load(y4 + 32), e3 = Vector512.Load(y4 + 48);
            Vector512<float> f0 = Vector512.Load(y5), f1 = Vector512.Load(y5 + 16), f2 = Vector512.Load(y5 + 32), f3 = Vector512.Load(y5 + 48);
            for (int j = 0; j < KvCache.BlockTokens; j++, value += headDim)
            {
                Vector512<float> value0 = Vector512.Load(value), value1 = Vector512.Load(value + 16);
                Vector512<float> value2 = Vector512.Load(value + 32), value3 = Vector512.Load(value + 48);
                Add(weights[j], value0, value1, value2, value3, ref a0, ref a1, ref a2, ref a3);
                Add(weights[j + KvCache.BlockTokens], value0, value1, value2, value3, ref b0, ref b1, ref b2, ref b3);
                Add(weights[j + (2 * KvCache.BlockTokens)], value0, value1, value2, value3, ref c0, ref c1, ref c2, ref c3);
                Add(weights[j + (3 * KvCache.BlockTokens)], value0, value1, value2, value3, ref d0, ref d1, ref d2, ref d3);
                Add(weights[j + (4 * KvCache.BlockTokens)], value0, value1, value2, value3, ref e0, ref e1, ref e2, ref e3);
                Add(weights[j + (5 * KvCache.BlockTokens)], value0, value1, value2, value3, ref f0, ref f1, ref f2, ref f3);
            }

            Store(a0, a1, a2, a3, y0);
            Store(b0, b1, b2, b3, y1);
            Store(c0, c1, c2, c3, y2);
            Store(d0, d1, d2, d3, y3);
            Store(e0, e1, e2, e3, y4);
            Store(f0, f1, f2, f3, y5);
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        Vector512<float> key, Vector512<float> inputA, Vector512<float> inputB, Vector512<float> inputC,
        ref Vector512<float> a, ref Vector512<float> b, ref Vector512<float> c)
    {
        a = Vector512.FusedMultiplyAdd(key, inputA, a);
        b = Vector512.FusedMultiplyAdd(key, inputB, b);
        c = Vector512.FusedMultiplyAdd(key, inputC, c);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(
        float weight, Vector512<float> value0, Vector512<float> value1, Vector512<float> value2, Vector512<float> value3,
        ref Vector512<float> sum0, ref Vector512<float> sum1, ref Vector512<float> sum2, ref Vector512<float> sum3)
    {
        Vector512<float> weights = Vector512.Create(weight);
        sum0 = Vector512.FusedMultiplyAdd(weights, value0, sum0);
        sum1 = Vector512.FusedMultiplyAdd(weights, value1, sum1);
        sum2 = Vector512.FusedMultiplyAdd(weights, value2, sum2);
        sum3 = Vector512.FusedMultiplyAdd(weights, value3, sum3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> scores, float* target)
    {
        scores.GetLower().Store(target);
        scores.GetUpper().Store(target + KvCache.BlockTokens);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector512<float> v0, Vector512<float> v1, Vector512<float> v2, Vector512<float> v3, float* target)
    {
        v0.Store(target);
        v1.Store(target + 16);
        v2.Store(target + 32);
        v3.Store(target + 48);
    }
}
