using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Llama.Model.KeyValueCache;

namespace Llama.Model.Kernels;

/// <summary>
/// The sums of <see cref="Attention"/> for three queries that see a whole block: twelve chains of additions, and each key and value that is
/// read serves three times.
/// </summary>
internal static unsafe class AttentionTile
{
    /// <summary>Queries of a tile.</summary>
    public const int Rows = 3;

    private const int Keys = 4;
    private const int Vectors = 4;

    /// <summary>Whether heads are of a width that tiles serve.</summary>
    public static bool Serves(int headDim) => headDim % (Vectors * Lanes.Count) == 0;

    /// <summary>Products with all keys of a block, each in canonical lanes.</summary>
    /// <param name="queries">Three queries.</param>
    /// <param name="keys">The block's keys, <c>[16, headDim]</c>.</param>
    /// <param name="headDim">Width of a head.</param>
    /// <param name="scores">Receives <c>[3, 16]</c>.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void Score(float** queries, float* keys, int headDim, float* scores)
    {
        float* x0 = queries[0];
        float* x1 = queries[1];
        float* x2 = queries[2];

        // Eight scores are stored together, as they are loaded: halves would have to reach the cache first.
        Vector128<float> lowerA = default, lowerB = default, lowerC = default;
        for (int key = 0; key < KvCache.BlockTokens; key += Keys, keys += Keys * headDim)
        {
            float* key1 = keys + headDim;
            float* key2 = key1 + headDim;
            float* key3 = key2 + headDim;
            Vector256<float> a0 = default, a1 = default, a2 = default, a3 = default;
            Vector256<float> b0 = default, b1 = default, b2 = default, b3 = default;
            Vector256<float> c0 = default, c1 = default, c2 = default, c3 = default;
            for (nuint i = 0; i < (nuint)headDim; i += Lanes.Count)
            {
                Vector256<float> inputA = Vector256.Load(x0 + i);
                Vector256<float> inputB = Vector256.Load(x1 + i);
                Vector256<float> inputC = Vector256.Load(x2 + i);
                Vector256<float> numbers = Vector256.Load(keys + i);
                a0 = Vector256.FusedMultiplyAdd(numbers, inputA, a0);
                b0 = Vector256.FusedMultiplyAdd(numbers, inputB, b0);
                c0 = Vector256.FusedMultiplyAdd(numbers, inputC, c0);
                numbers = Vector256.Load(key1 + i);
                a1 = Vector256.FusedMultiplyAdd(numbers, inputA, a1);
                b1 = Vector256.FusedMultiplyAdd(numbers, inputB, b1);
                c1 = Vector256.FusedMultiplyAdd(numbers, inputC, c1);
                numbers = Vector256.Load(key2 + i);
                a2 = Vector256.FusedMultiplyAdd(numbers, inputA, a2);
                b2 = Vector256.FusedMultiplyAdd(numbers, inputB, b2);
                c2 = Vector256.FusedMultiplyAdd(numbers, inputC, c2);
                numbers = Vector256.Load(key3 + i);
                a3 = Vector256.FusedMultiplyAdd(numbers, inputA, a3);
                b3 = Vector256.FusedMultiplyAdd(numbers, inputB, b3);
                c3 = Vector256.FusedMultiplyAdd(numbers, inputC, c3);
            }

            Vector128<float> sumsA = Lanes.SumEach(a0, a1, a2, a3), sumsB = Lanes.SumEach(b0, b1, b2, b3), sumsC = Lanes.SumEach(c0, c1, c2, c3);
            if (key % Lanes.Count == 0)
            {
                (lowerA, lowerB, lowerC) = (sumsA, sumsB, sumsC);
                continue;
            }

            Vector256.Create(lowerA, sumsA).Store(scores);
            Vector256.Create(lowerB, sumsB).Store(scores + KvCache.BlockTokens);
            Vector256.Create(lowerC, sumsC).Store(scores + (2 * KvCache.BlockTokens));
            scores += Lanes.Count;
        }
    }

    /// <summary><c>output[i] += Σ weights[j] × values[j, i]</c> for each of three, position after position.</summary>
    /// <param name="weights">Weights of the block's positions, <c>[3, 16]</c>.</param>
    /// <param name="values">The block's values, <c>[16, headDim]</c>.</param>
    /// <param name="headDim">Width of a head, which <see cref="Serves"/> accepts.</param>
    /// <param name="outputs">Three outputs.</param>
    [MethodImpl(MethodImplOptions.NoInlining | MethodImplOptions.AggressiveOptimization)]
    public static void AddValues(float* weights, float* values, int headDim, float** outputs)
    {
        for (int i = 0; i < headDim; i += Vectors * Lanes.Count)
        {
            float* y0 = outputs[0] + i;
            float* y1 = outputs[1] + i;
            float* y2 = outputs[2] + i;
            float* value = values + i;
            Vector256<float> a0 = Vector256.Load(y0), a1 = Vector256.Load(y0 + 8), a2 = Vector256.Load(y0 + 16), a3 = Vector256.Load(y0 + 24);
            Vector256<float> b0 = Vector256.Load(y1), b1 = Vector256.Load(y1 + 8), b2 = Vector256.Load(y1 + 16), b3 = Vector256.Load(y1 + 24);
            Vector256<float> c0 = Vector256.Load(y2), c1 = Vector256.Load(y2 + 8), c2 = Vector256.Load(y2 + 16), c3 = Vector256.Load(y2 + 24);
            for (int j = 0; j < KvCache.BlockTokens; j++, value += headDim)
            {
                Vector256<float> weightA = Vector256.Create(weights[j]);
                Vector256<float> weightB = Vector256.Create(weights[j + KvCache.BlockTokens]);
                Vector256<float> weightC = Vector256.Create(weights[j + (2 * KvCache.BlockTokens)]);
                Vector256<float> numbers = Vector256.Load(value);
                a0 = Vector256.FusedMultiplyAdd(weightA, numbers, a0);
                b0 = Vector256.FusedMultiplyAdd(weightB, numbers, b0);
                c0 = Vector256.FusedMultiplyAdd(weightC, numbers, c0);
                numbers = Vector256.Load(value + 8);
                a1 = Vector256.FusedMultiplyAdd(weightA, numbers, a1);
                b1 = Vector256.FusedMultiplyAdd(weightB, numbers, b1);
                c1 = Vector256.FusedMultiplyAdd(weightC, numbers, c1);
                numbers = Vector256.Load(value + 16);
                a2 = Vector256.FusedMultiplyAdd(weightA, numbers, a2);
                b2 = Vector256.FusedMultiplyAdd(weightB, numbers, b2);
                c2 = Vector256.FusedMultiplyAdd(weightC, numbers, c2);
                numbers = Vector256.Load(value + 24);
                a3 = Vector256.FusedMultiplyAdd(weightA, numbers, a3);
                b3 = Vector256.FusedMultiplyAdd(weightB, numbers, b3);
                c3 = Vector256.FusedMultiplyAdd(weightC, numbers, c3);
            }

            a0.Store(y0);
            a1.Store(y0 + 8);
            a2.Store(y0 + 16);
            a3.Store(y0 + 24);
            b0.Store(y1);
            b1.Store(y1 + 8);
            b2.Store(y1 + 16);
            b3.Store(y1 + 24);
            c0.Store(y2);
            c1.Store(y2 + 8);
            c2.Store(y2 + 16);
            c3.Store(y2 + 24);
        }
    }
}
