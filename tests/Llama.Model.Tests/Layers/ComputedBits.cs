using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Llama.Model.Kernels;
using Llama.Model.KeyValueCache;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Tests.Kernels;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

/// <summary>A digest of everything that the model computes: of two processors that agree on it, each can stand in for the other.</summary>
internal static unsafe class ComputedBits
{
    // Weights in F16, BF16 and F32.
    private static readonly string[] Fixtures = ["llama-1", "llama-2-gqa", "llama-3.1-short"];

    /// <summary>Logits at every position of a prompt, in one piece and in chunks, sampled tokens, and what these kernels do not meet.</summary>
    public static string Digest()
    {
        using var digest = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (string name in Fixtures)
        {
            int[] tokens = GoldenResults.Read(Path.Combine(TestPaths.Fixtures, name, "golden.json")).Tokens;
            string checkpoint = Path.Combine(TestPaths.Fixtures, name, "hf");
            using var runner = new ForwardRunner(checkpoint, [0, ForwardRunner.LayersOf(checkpoint)]);
            foreach (int chunk in (int[])[tokens.Length, 5])
            {
                foreach (float[] logits in runner.Logits(tokens, chunk)) Append(digest, logits);
            }

            var step = new Step();
            step.AddSamplingSequence(0, tokens, runner.BlockTable, new SamplingParameters { Temperature = 0.8f, TopP = 0.9f }, 0.7, 20);
            foreach (TokenLogprob logprob in runner.Run(step)[0].TopLogprobs) Append(digest, [logprob.Token, logprob.LogProbability]);
        }

        AppendKvTypes(digest);
        AppendAttention(digest);
        foreach (ElementType type in BlockProductTests.Types)
        {
            using var product = new TestBlocks(type, 43, 768, 13);
            foreach (WeightMatrix form in product.Forms)
            {
                Append(digest, product.Multiply(form, 0, 43, 0, 13));
                Append(digest, product.Multiply(form, 0, 43, 5, 1));
            }
        }

        AppendExponentials(digest);
        AppendRotaryAngles(digest);
        return Convert.ToHexString(digest.GetHashAndReset());
    }

    /// <summary>Heads of 32 numbers, which every type can keep.</summary>
    private static void AppendKvTypes(IncrementalHash digest)
    {
        string folder = Path.Combine(TestPaths.Fixtures, "llama-3.2-tied");
        int[] tokens = GoldenResults.Read(Path.Combine(folder, "golden.json")).Tokens;
        string checkpoint = Path.Combine(folder, "hf");
        foreach (ElementType kvType in KvTypes.All)
        {
            using var runner = new ForwardRunner(checkpoint, [0, ForwardRunner.LayersOf(checkpoint)], kvType: kvType);
            foreach (float[] logits in runner.Logits(tokens, 7)) Append(digest, logits);
        }
    }

    /// <summary>Heads of 64 and of 128 numbers, which the fixtures do not have: tokens together, and one alone.</summary>
    private static void AppendAttention(IncrementalHash digest)
    {
        foreach ((int group, int headDim) in ((int, int)[])[(1, 64), (4, 64), (3, 128)])
        {
            ModelConfig config = RotaryModels.Plain(headDim, 10_000) with { Heads = group, KvHeads = 1 };
            using var cache = new KvCache(config, ElementType.F32, layers: 1, blocks: 4);
            var random = new Random(headDim + group);
            float[] row = new float[headDim], queries = [.. Enumerable.Range(0, 24 * group * headDim).Select(_ => Next())], outputs = new float[queries.Length];
            float[] scratch = new float[Attention.ScratchLength(24 * group, headDim)];
            int[] table = [2, 0, 3, 1];
            fixed (float* q = queries, o = outputs, s = scratch, r = row)
            {
                for (int position = 0; position < 64; position++)
                {
                    for (int i = 0; i < headDim; i++) row[i] = Next();
                    cache.Write(0, table[position / 16], 0, position % 16, r, r);
                }

                foreach ((int position, int tokens) in ((int, int)[])[(40, 24), (37, 1), (3, 19)])
                {
                    Attention.Attend(cache, 0, table, 0, 1, position, tokens, group, headDim, q, o, group * headDim, s);
                    Append(digest, outputs);
                }
            }

            float Next() => (float)((random.NextDouble() * 4) - 2);
        }
    }

    private static void AppendExponentials(IncrementalHash digest)
    {
        float[] values = [float.NegativeInfinity, -3e38f, -88, -87.3f, 88.7f, 3e38f, float.PositiveInfinity, .. Sweep(-100, 100, 20_000)];
        fixed (float* pointer = values) Exponential.ExpAndSum(pointer, pointer, values.Length, 0, 1);
        Append(digest, values);
    }

    private static void AppendRotaryAngles(IncrementalHash digest)
    {
        var rotary = new RotaryEmbedding(RotaryModels.Llama31(headDim: 128));
        float[] angles = new float[128];
        foreach (int position in (int[])[0, 1, 1000, 8191, 131_071, 16_777_215])
        {
            fixed (float* pointer = angles) rotary.Angles(position, pointer, pointer + 64);
            Append(digest, angles);
        }
    }

    private static IEnumerable<float> Sweep(float first, float end, int count) =>
        Enumerable.Range(0, count).Select(i => first + ((end - first) * i / count));

    private static void Append(IncrementalHash digest, ReadOnlySpan<float> values) => digest.AppendData(MemoryMarshal.AsBytes(values));
}
