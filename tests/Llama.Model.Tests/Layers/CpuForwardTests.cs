using Llama.Model.Checkpoints.Gguf;
using System.Runtime.InteropServices;
using System.Text.Json;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Layers;

public sealed class CpuForwardTests
{
    public static TheoryData<string> Checkpoints => GoldenResults.Checkpoints();

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Logits_EveryCheckpoint_EqualTheReferenceWithinOneTenThousandthOfTheirSpread(string name)
    {
        string folder = GoldenResults.Folder(name);
        GoldenResults golden = GoldenResults.Read(Path.Combine(folder, "..", "golden.json"));
        using var runner = new ForwardRunner(folder, [0, ForwardRunner.LayersOf(folder)]);

        float[][] logits = runner.Logits(golden.Tokens, golden.Tokens.Length);

        Assert.Equal(golden.Logits.Length, logits.Length);
        for (int position = 0; position < logits.Length; position++)
        {
            float spread = golden.Logits[position].Max() - golden.Logits[position].Min();
            float error = golden.Logits[position].Zip(logits[position], (expected, found) => MathF.Abs(expected - found)).Max();
            Assert.True(error <= 1e-4f * spread, $"position {position}: error {error}, spread {spread}");
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Logits_EveryCutAndChunk_HaveTheSameBits(string name)
    {
        string folder = GoldenResults.Folder(name);
        GoldenResults golden = GoldenResults.Read(Path.Combine(folder, "..", "golden.json"));
        int layers = ForwardRunner.LayersOf(folder);
        float[][]? expected = null;
        foreach (int[] cut in ForwardRunner.Cuts(layers, 4))
        {
            foreach (int chunk in (int[])[golden.Tokens.Length, 1, 7])
            {
                using var runner = new ForwardRunner(folder, cut);
                float[][] logits = runner.Logits(golden.Tokens, chunk);
                expected ??= logits;
                for (int position = 0; position < logits.Length; position++)
                {
                    Assert.True(
                        SameBits(expected[position], logits[position]),
                        $"cut {string.Join('-', cut)}, chunk {chunk}, position {position}");
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Checkpoints))]
    public void Greedy_EveryCut_EqualsTheReference(string name)
    {
        string folder = GoldenResults.Folder(name);
        GoldenResults golden = GoldenResults.Read(Path.Combine(folder, "..", "golden.json"));
        (int[] prompt, int[] expected) = name.StartsWith("stories260K", StringComparison.Ordinal)
            ? ReadGreedy(Path.Combine(folder, "..", "greedy.json"))
            : (golden.Tokens, golden.Greedy);
        foreach (int[] cut in ForwardRunner.Cuts(ForwardRunner.LayersOf(folder), 4))
        {
            using var runner = new ForwardRunner(folder, cut);
            Assert.Equal(expected, runner.Greedy(prompt, expected.Length));
        }
    }

    [Fact]
    public void Greedy_ShippedModel_EqualsItsGoldenResults()
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(TestPaths.TinyStories, "golden.json")));
        using var runner = new ForwardRunner(TestPaths.TinyStories, [0, 6]);
        Assert.True(json.RootElement.GetArrayLength() > 0);
        foreach (JsonElement golden in json.RootElement.EnumerateArray())
        {
            int[] prompt = golden.GetProperty("tokens").Deserialize<int[]>()!;
            int[] expected = golden.GetProperty("greedy").Deserialize<int[]>()!;
            Assert.Equal(expected, runner.Greedy(prompt, expected.Length));

            float[] lastLogits = golden.GetProperty("last_logits").Deserialize<float[]>()!;
            float[] logits = runner.Logits(prompt, prompt.Length)[^1];
            float spread = lastLogits.Max() - lastLogits.Min();
            Assert.All(lastLogits.Zip(logits), pair => Assert.InRange(MathF.Abs(pair.First - pair.Second), 0, 1e-4f * spread));
        }
    }

    [Theory]
    [InlineData("llama-3/hf")]
    [InlineData("llama-1/meta")]
    [InlineData(BiasedModel.Name)]
    public void Logits_AnyNumberOfThreads_HaveTheSameBits(string name)
    {
        string folder = GoldenResults.Folder(name);
        int[] tokens = GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Tokens;
        int layers = ForwardRunner.LayersOf(folder);
        using var single = new ForwardRunner(folder, [0, layers]);
        float[][] expected = single.Logits(tokens, tokens.Length);
        foreach (int threads in (int[])[2, 3, 5])
        {
            foreach (int chunk in (int[])[tokens.Length, 1])
            {
                using var runner = new ForwardRunner(folder, [0, layers], threads);
                float[][] logits = runner.Logits(tokens, chunk);
                for (int position = 0; position < logits.Length; position++)
                {
                    Assert.True(
                        SameBits(expected[position], logits[position]),
                        $"threads {threads}, chunk {chunk}, position {position}");
                }
            }
        }
    }

    /// <summary>
    /// Shares of attention end with a head and a block of rounded inputs for two threads (two key-value heads, four blocks), those of the gate for eleven (eleven
    /// blocks): then threads round what they have computed, and else after a barrier.
    /// </summary>
    [Fact]
    public void Logits_RoundedInputsAndAnyNumberOfThreads_HaveTheSameBits()
    {
        using var folder = new TemporaryFolder();
        string file = folder["model.gguf"];
        GgufConverter.Convert(
            TestPaths.TinyStories, ElementType.Q8_0, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        int[] tokens = [.. Enumerable.Range(5, 20)];
        int layers = ForwardRunner.LayersOf(file);
        using var single = new ForwardRunner(file, [0, layers]);
        float[][] expected = single.Logits(tokens, tokens.Length);
        foreach (int threads in (int[])[2, 3, 11])
        {
            using var runner = new ForwardRunner(file, [0, layers], threads);
            Assert.Equal(expected, runner.Logits(tokens, 7));
            Assert.Equal(expected[..2], runner.Logits(tokens[..2], 1));
        }
    }

    [Theory]
    [InlineData(ElementType.F32)]
    [InlineData(ElementType.F16)]
    [InlineData(ElementType.Q8_0)]
    [InlineData(ElementType.Q4_0)]
    public void Repack_MappedWeights_ChangesNoBits(ElementType type)
    {
        using var folder = new TemporaryFolder();
        string file = folder["model.gguf"];
        GgufConverter.Convert(TestPaths.TinyStories, type, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        int[] tokens = [.. Enumerable.Range(5, 40)];
        using var runner = new ForwardRunner(file, [0, 2, ForwardRunner.LayersOf(file)], threads: 2);
        float[][] mapped = runner.Logits(tokens, 7);
        int turns = runner.Repack();
        Assert.Equal(type == ElementType.Q4_0, turns == 0);
        float[][] copied = runner.Logits(tokens, 7);
        for (int i = 0; i < mapped.Length; i++) Assert.Equal(mapped[i], copied[i]);
    }

    [Fact]
    public void Run_SequencesTogether_SampleWhatEachSamplesAlone()
    {
        string folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
        int[] tokens = GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Tokens;
        var sampling = new SamplingParameters { Temperature = 0.8f, TopP = 0.9f };
        using var runner = new ForwardRunner(folder, [0, 1, 4]);

        SampledTokens[] alone =
        [
            .. Enumerable.Range(0, 5).Select(i =>
            {
                var step = new Step();
                step.AddSamplingSequence(0, tokens.AsSpan(i, 3 + (i * 4)), runner.BlockTable, sampling, 0.17 * i, 5);
                return runner.Run(step);
            }),
        ];
        var together = new Step();
        for (int i = 0; i < 5; i++)
            together.AddSamplingSequence(0, tokens.AsSpan(i, 3 + (i * 4)), [2 * i, (2 * i) + 1], sampling, 0.17 * i, 5);
        SampledTokens sampled = runner.Run(together);

        for (int i = 0; i < 5; i++)
        {
            Assert.Equal(alone[i][0].Sampled, sampled[i].Sampled);
            Assert.Equal(alone[i][0].TopLogprobs, sampled[i].TopLogprobs);
        }
    }

    [Theory]
    [InlineData(1, 0, 4)]
    [InlineData(2, 0, 4)]
    [InlineData(2, 0, 3, 4)]
    public void Run_SomeSequencesSample_AllSampleAndGoOnAsAlone(int threads, params int[] cut)
    {
        string folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
        int[] tokens = GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Tokens;
        var sampling = new SamplingParameters { Temperature = 0.8f };
        using var runner = new ForwardRunner(folder, cut, threads);
        SampledTokens[] alone = [.. Enumerable.Range(0, 4).Select(i => SampleAlone(tokens.AsSpan(i, 9 + (2 * i))))];

        // The second and the last sample at once; the others' last two tokens come in another step, with a whole sequence between them.
        Step some = new(), rest = new();
        some.AddSequence(0, tokens.AsSpan(0, 7), [0]);
        some.AddSamplingSequence(0, tokens.AsSpan(1, 11), [1], sampling, 0.4, 5);
        some.AddSequence(0, tokens.AsSpan(2, 11), [2]);
        some.AddSamplingSequence(0, tokens.AsSpan(3, 15), [3], sampling, 0.4, 5);
        rest.AddSamplingSequence(7, tokens.AsSpan(7, 2), [0], sampling, 0.4, 5);
        rest.AddSequence(0, tokens.AsSpan(1, 11), [4]);
        rest.AddSamplingSequence(11, tokens.AsSpan(13, 2), [2], sampling, 0.4, 5);
        SampledTokens atOnce = runner.Run(some);
        SampledTokens later = runner.Run(rest);

        Assert.Equal((2, 2), (atOnce.Count, later.Count));
        AssertSame(alone[0][0], later[0]);
        AssertSame(alone[1][0], atOnce[0]);
        AssertSame(alone[2][0], later[1]);
        AssertSame(alone[3][0], atOnce[1]);

        SampledTokens SampleAlone(ReadOnlySpan<int> prompt)
        {
            var step = new Step();
            step.AddSamplingSequence(0, prompt, runner.BlockTable, sampling, 0.4, 5);
            return runner.Run(step);
        }

        static void AssertSame(SampledToken expected, SampledToken actual)
        {
            Assert.Equal(expected.Sampled, actual.Sampled);
            Assert.Equal(expected.TopLogprobs, actual.TopLogprobs);
        }
    }

    [Fact]
    public void Run_LastLayer_OfTheTokenThatSamples_HasTheBitsOfEveryPosition()
    {
        string folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
        int[] tokens = GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Tokens;
        using var runner = new ForwardRunner(folder, [0, 4]);
        float[] logits = runner.Logits(tokens, tokens.Length)[^1];
        var step = new Step();
        step.AddSamplingSequence(0, tokens, runner.BlockTable, new SamplingParameters { Temperature = 0 }, 0, 20);
        SampledToken sampled = runner.Run(step)[0];

        double sum = logits.Sum(logit => Math.Exp(logit - logits.Max()));
        int[] best = [.. Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).Take(20)];
        Assert.Equal(best, sampled.TopLogprobs.ToArray().Select(logprob => logprob.Token));
        Assert.All(
            sampled.TopLogprobs.ToArray(),
            logprob => Assert.Equal(logits[logprob.Token] - logits.Max() - Math.Log(sum), logprob.LogProbability, 1e-5));
    }

    [Fact]
    public void Run_StepThatDoesNotFit_IsRefusedAndTheNextOneRuns()
    {
        string folder = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");
        using var runner = new ForwardRunner(folder, [0, 4]);
        var greedy = new SamplingParameters { Temperature = 0 };
        (string Message, Action<Step> Build)[] faults =
        [
            ("token 384", step => step.AddSequence(0, [384], [0])),
            ("token -1", step => step.AddSequence(0, [-1], [0])),
            ("KV block 32", step => step.AddSequence(0, [1], [32])),
            ("positions -1", step => step.AddSequence(-1, [1], [0])),
            ("positions 8191 to 8192", step => step.AddSequence(8191, [1, 2], new int[513])),
            ("513 positions in one sequence; the pool has 32", step => step.AddSequence(512, [1], new int[33])),
            ("1 blocks of 16 for 17", step => step.AddSequence(16, [1], [0])),
            ("has 0 tokens", _ => { }),
            ("21 topLogprobs", step => step.AddSamplingSequence(0, [1], [0], greedy, 0, 21)),
            ("samples with 1", step => step.AddSamplingSequence(0, [1], [0], greedy, 1, 0)),
            ("copies KV block 32 to 0", step => AddCopied(step, 32, 0)),
            ("copies KV block 0 to -1", step => AddCopied(step, 0, -1)),
            ("copies KV block 3 to 3", step => AddCopied(step, 3, 3)),
            ("temperature NaN", step => step.AddSamplingSequence(0, [1], [0], new SamplingParameters { Temperature = float.NaN }, 0, 0)),
        ];
        foreach ((string message, Action<Step> build) in faults)
        {
            var step = new Step();
            build(step);
            ArgumentException fault = Assert.Throws<ArgumentException>(() => runner.Run(step));
            Assert.Contains(message, fault.Message, StringComparison.Ordinal);
        }

        int[] expected = GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Greedy;
        Assert.Equal(expected, runner.Greedy(GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Tokens, expected.Length));
    }

    [Theory]
    [InlineData(5, ElementType.F32)]
    [InlineData(16, ElementType.F32)]
    [InlineData(5, ElementType.F16)]
    [InlineData(5, ElementType.Q8_0)]
    public void Run_CopiedBlock_SamplesWhatTheOriginalSamples(int length, ElementType kvType)
    {
        string folder = Path.Combine(TestPaths.Fixtures, "llama-3.2-tied", "hf");
        int[] tokens = [.. GoldenResults.Read(Path.Combine(folder, "..", "golden.json")).Tokens.Take(length)];
        var sampling = new SamplingParameters { Temperature = 0.8f };
        using var runner = new ForwardRunner(folder, [0, 1, 3], kvType: kvType);
        var step = new Step();
        step.AddSamplingSequence(0, tokens, [7], sampling, 0.3, 5);
        SampledToken expected = runner.Run(step)[0];

        // The copies come before the tokens and in order: block 7 reaches block 9 by way of block 8, and is overwritten meanwhile.
        step.Clear();
        step.AddCopy(7, 8);
        step.AddCopy(8, 9);
        step.AddSequence(0, [1, 2, 3], [7]);
        step.AddSamplingSequence(length - 1, tokens.AsSpan(length - 1), [9], sampling, 0.3, 5);
        SampledToken sampled = runner.Run(step)[0];
        Assert.Equal(expected.Sampled, sampled.Sampled);
        Assert.Equal(expected.TopLogprobs, sampled.TopLogprobs);
    }

    private static void AddCopied(Step step, int source, int target)
    {
        step.AddCopy(source, target);
        step.AddSequence(0, [1], [0]);
    }

    private static bool SameBits(float[] a, float[] b) =>
        MemoryMarshal.AsBytes<float>(a).SequenceEqual(MemoryMarshal.AsBytes<float>(b));

    private static (int[] Prompt, int[] Greedy) ReadGreedy(string file)
    {
        using JsonDocument json = JsonDocument.Parse(File.ReadAllBytes(file));
        JsonElement root = json.RootElement;
        return (root.GetProperty("tokens").Deserialize<int[]>()!, root.GetProperty("greedy_tokens").Deserialize<int[]>()!);
    }
}
