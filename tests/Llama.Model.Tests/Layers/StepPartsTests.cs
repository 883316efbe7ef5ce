using System.Text;
using Llama.Model.Layers;
using Llama.Model.Sampling;

namespace Llama.Model.Tests.Layers;

public sealed class StepPartsTests
{
    private const int VocabSize = 20;

    private static readonly ModelConfig Config = new()
    {
        Dim = 8, Layers = 1, Heads = 1, KvHeads = 1, HeadDim = 8, HiddenDim = 8, VocabSize = VocabSize, ContextLength = 64, NormEps = 1e-5f, RopeTheta = 1e4,
        RotaryLayout = RotaryLayout.Halves, Family = LlamaFamily.Llama3, EndTokens = [],
    };

    [Fact]
    public void Parts_OfTwoSequences_HaveTheirBytesAndAreReadBack()
    {
        Step step = Sampling();
        step.AddPenalties(new Penalties(1, 2, 3), [5], [6, 7]);
        step.AddSamplingSequence(0, [1], [1], new SamplingParameters(), 0, 0);
        step.AddBiases([new TokenBias(4, -1)]);
        step.AddDenied([9]);
        step.AddMask([0, 1, 2, 3]);
        step.AddPromptLogprobs(0, [11], 2);
        step.AddStateSum(1, 2);
        Assert.Equal(
            "50656E61000000001C0000000000803F00000040000040400100000005000000060000000700000042696173010000000800000004000000000080BF"
            + "44656E790100000004000000090000004D61736B010000000400000000010203"
            + "506C6F67010000000C00000002000000000000000B000000506F6F6C01000000080000000100000002000000",
            Convert.ToHexString(step.Parts));
        ReadOnlySpan<byte> rest = step.Parts;
        LogitChanges first = StepParts.Read(ref rest, 0).Changes;
        Assert.Equal(
            (new Penalties(1, 2, 3), 5, 6, 7, true),
            (first.Penalties, first.Prompt[0], first.Answer[0], first.Answer[1], first.Mask.IsEmpty && first.Denied.IsEmpty && first.Biases.IsEmpty));
        SequenceParts parts = StepParts.Read(ref rest, 1);
        LogitChanges second = parts.Changes;
        Assert.Equal(
            (new TokenBias(4, -1), 9, 3, true), (second.Biases[0], second.Denied[0], second.Mask.Length - 1, second.Prompt.IsEmpty && second.Answer.IsEmpty));
        Assert.Equal((2, 0, 11), (parts.PromptLogprobs.TopLogprobs, parts.PromptLogprobs.First, parts.PromptLogprobs.Tokens[0]));
        Assert.Equal(new StateRows(1, 2), parts.StateSum);
        Assert.Equal([false, true, true, false], Enumerable.Range(0, 4).Select(parts.StateSum.Contains));
        Assert.True(rest.IsEmpty);
        LogitChanges none = StepParts.Read(ref rest, 2).Changes;
        Assert.True(none.IsMaskOnly && none.Mask.IsEmpty);
    }

    [Fact]
    public void ReadShapes_PartsWithAndWithoutOne_GivesTheirOwnOrTheOneThatIsGiven()
    {
        var step = new Step();
        foreach ((int tokens, int? shape) in ((int, int?)[])[(1, null), (64, null), (65, null), (30, 512), (40, 64)])
        {
            step.AddSequence(0, new int[tokens], [0]);
            if (shape is { } given) step.AddShape(given);
        }

        int[] shapes = new int[5];
        step.ReadShapes(shapes);
        Assert.Equal([64, 64, 128, 512, 64], shapes);
        Assert.Equal("53486170030000000400000000020000534861700400000004000000" + "40000000", Convert.ToHexString(step.Parts));
        Assert.Equal(2048, Step.ShapeOf(Step.MaxTokens));
    }

    [Fact]
    public void Check_PartsThatWouldReachBeyondTheVocabulary_AreRefused()
    {
        Refuses("token 20", step => step.AddDenied([20]));
        Refuses("token -1", step => step.AddDenied([-1]));
        Refuses("token 99", step => step.AddBiases([new TokenBias(99, 1)]));
        Refuses("adds Infinity", step => step.AddBiases([new TokenBias(1, float.PositiveInfinity)]));
        Refuses("token 31", step => step.AddPenalties(new Penalties(0, 0, 2), [31], []));
        Refuses("the penalties", step => step.AddPenalties(new Penalties(0, 0, 0), [], [1]));
        Refuses("the penalties", step => step.AddPenalties(new Penalties(float.NaN, 0, 1), [], [1]));
        Refuses("a mask that has 5 bytes", step => step.AddMask([0, 1, 2, 3, 4]));
        Refuses("a mask that has the form 7", step => step.AddMask([7]));
        Refuses("a mask that has no bytes", step => step.AddMask([]));
        Refuses("samples nothing", step =>
        {
            step.AddSequence(0, [1], [0]);
            step.AddDenied([1]);
        });
        Refuses("penalties for 9 tokens", step => step.AddParts(Part("Pena", [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 128, 63, 9, 0, 0, 0])));
        Refuses("penalties of 8 bytes", step => step.AddParts(Part("Pena", new byte[8])));
        Refuses("denies 3 bytes", step => step.AddParts(Part("Deny", new byte[3])));
        Refuses("biases of 4 bytes", step => step.AddParts(Part("Bias", new byte[4])));

        foreach (int shape in (int[])[0, -1, 63, 65, 100, 4096, int.MaxValue]) Refuses($"the shape {shape}", step => step.AddShape(shape));
        Refuses("shape of 3 bytes for sequence 0", step => step.AddParts(Part("SHap", new byte[3])));

        // Somebody else's.
        Step other = Sampling();
        other.AddParts(Part("tRac", new byte[3]));
        Check(other);
    }

    [Fact]
    public void Check_OutputsThatAreNotThere_AreRefused()
    {
        Refuses("1 tokens from token 0 of 0", step => step.AddPromptLogprobs(0, [1], 0));
        Refuses("1 tokens from token 1 of 1", step => step.AddStateSum(1, 1));
        Refuses("0 tokens", step => step.AddStateSum(0, 0));
        Refuses("2147483647 tokens", step => step.AddStateSum(1, int.MaxValue));
        Refuses("outputs with 4 bytes", step => step.AddParts(Part("Plog", new byte[4])));
        Refuses("outputs with 12 bytes", step => step.AddParts(Part("Pool", new byte[12])));
        Refuses("output of sequence 7", step => step.AddParts(Part("Pool", new byte[8], 7)));
        foreach (int topLogprobs in (int[])[-1, 21]) RefusesPrompt($"{topLogprobs} top logprobs", step => step.AddPromptLogprobs(0, [1], topLogprobs));
        RefusesPrompt("token 20", step => step.AddPromptLogprobs(0, [20], 0));
        RefusesPrompt("not all layers", step =>
        {
            step.AddStateSum(0, 1);
            step.EndLayer = 0;
        });

        static void RefusesPrompt(string fault, Action<Step> add)
        {
            var step = new Step();
            step.AddSequence(0, [1], [0]);
            add(step);
            Assert.Contains(fault, Assert.Throws<ArgumentException>(() => Check(step)).Message, StringComparison.Ordinal);
        }
    }

    private static void Refuses(string fault, Action<Step> add)
    {
        Step step = Sampling();
        add(step);
        Assert.Contains(fault, Assert.Throws<ArgumentException>(() => Check(step)).Message, StringComparison.Ordinal);
    }

    private static void Check(Step step) =>
        StepValidation.Check(step, Config, 4, step.Tokens.Length * Config.Dim * sizeof(float), CpuBuffers.MaxTokens);

    private static Step Sampling()
    {
        var step = new Step();
        step.AddSamplingSequence(0, [1], [0], new SamplingParameters(), 0, 0);
        return step;
    }

    private static byte[] Part(string tag, byte[] contents, byte sequence = 0) => [.. Encoding.ASCII.GetBytes(tag), sequence, 0, 0, 0, (byte)contents.Length, 0, 0, 0, .. contents];
}
