using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Layers;
using Llama.Model.Sampling;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Tool.Tests;

public class MakeCommandTests
{
    private static readonly ModelConfig Small = ModelShapes.ByName["llama-3.2-1b"] with
    {
        Dim = 256, Layers = 2, Heads = 4, KvHeads = 2, HeadDim = 64, HiddenDim = 512, VocabSize = 500, ContextLength = 64,
    };

    public static TheoryData<ElementType> Types => [.. Enum.GetValues<ElementType>()];

    [Theory]
    [MemberData(nameof(Types))]
    public async Task Write_AnyType_IsAModelThatRuns(ElementType type)
    {
        using var folder = new TemporaryFolder();
        string file = Make(folder["model.gguf"], type, seed: 1);
        using Checkpoint checkpoint = Checkpoint.Open(file, new CheckpointOptions());
        Assert.Equal(type, checkpoint.WeightType);
        Assert.True(checkpoint.Config.TiedEmbeddings);
        Assert.Equal(32, checkpoint.Config.RopeFactors!.Values[^1]);
        Assert.Equal(500, TokenizerLoader.Load(file)!.VocabSize);

        await using CpuLayerRange range = CpuLayerRange.Load(checkpoint, 0, 2, ElementType.F32, kvBlocks: 1, threads: 1);
        var step = new Step { Epoch = 1 };
        step.AddSamplingSequence(0, [1, 300, 301], [0], new SamplingParameters { Temperature = 0 }, 0, topLogprobs: 5);
        StepOutput output = await range.RunAsync(step, range.RentHiddenStates(3), TestContext.Current.CancellationToken);
        Assert.All(output.Sampled![0].TopLogprobs.ToArray(), candidate => Assert.InRange(candidate.LogProbability, -20, 0));
    }

    [Fact]
    public void Write_SameSeed_IsTheSameFile()
    {
        using var folder = new TemporaryFolder();
        byte[] first = File.ReadAllBytes(Make(folder["1.gguf"], ElementType.Q4_K, seed: 1));
        Assert.Equal(first, File.ReadAllBytes(Make(folder["2.gguf"], ElementType.Q4_K, seed: 1)));
        Assert.NotEqual(first, File.ReadAllBytes(Make(folder["3.gguf"], ElementType.Q4_K, seed: 2)));
    }

    [Fact]
    public void Run_WithATokenizer_IsAModelWithItsVocabularyAndEndTokens()
    {
        using var folder = new TemporaryFolder();
        using var console = new TestConsole();
        var options = new MakeOptions { Shape = "stories42m", Tokenizer = TestPaths.TinyStories, Out = folder["model.gguf"] };
        MakeCommand.Run(options, console.Display, TestContext.Current.CancellationToken);
        ITokenizer expected = TokenizerLoader.Load(TestPaths.TinyStories)!;
        ITokenizer made = TokenizerLoader.Load(options.Out)!;
        Assert.Equal((expected.VocabSize, expected.EndOfText), (made.VocabSize, made.EndOfText));
        Assert.Equal(expected.Encode("Once upon a time"), made.Encode("Once upon a time"));
        using Checkpoint checkpoint = Checkpoint.Open(options.Out, new CheckpointOptions());
        Assert.Equal((expected.VocabSize, 512), (checkpoint.Config.VocabSize, checkpoint.Config.Dim));
    }

    [Fact]
    public void ByName_Shapes_HaveTheReleasedModelsSizes()
    {
        long Elements(string name)
        {
            ModelConfig config = ModelShapes.ByName[name];
            long matrix = (long)config.VocabSize * config.Dim;
            return (config.LayerElements * config.Layers) + (matrix * (config.TiedEmbeddings ? 1 : 2)) + config.Dim;
        }

        Assert.Equal(41_689_600, Elements("stories42m"));
        Assert.Equal(109_529_856, Elements("stories110m"));
        Assert.Equal(1_235_814_400, Elements("llama-3.2-1b"));
        Assert.Equal(8_030_261_248, Elements("llama-3-8b"));
        Assert.Equal(13_015_864_320, Elements("llama-2-13b"));
        Assert.Equal(70_553_706_496, Elements("llama-3-70b"));
    }

    private static string Make(string file, ElementType type, int seed)
    {
        MakeCommand.Write(Small, null, "small", type, seed, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
        return file;
    }
}
