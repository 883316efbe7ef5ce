using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public sealed class WeightDigestsTests
{
    private static readonly string Llama1 = Path.Combine(TestPaths.Fixtures, "llama-1");

    [Fact]
    public void Of_TheSameWeightsInTwoShardsAndInOneFile_AreTheSame()
    {
        string digests = Of(Path.Combine(Llama1, "meta"));
        Assert.Equal(3, digests.Split(',').Distinct().Count(digest => digest.Length == 8));
        using var folder = new TemporaryFolder();
        Convert(Path.Combine(Llama1, "meta"), ElementType.F16, folder["f16.gguf"]);
        Assert.Equal(digests, Of(folder["f16.gguf"]));
    }

    [Fact]
    public void Of_WeightsRoundedWhileLoaded_AreThoseOfTheConvertedFile()
    {
        using var folder = new TemporaryFolder();
        Convert(TestPaths.TinyStories, ElementType.Q8_0, folder["q8_0.gguf"]);
        Assert.Equal(Of(folder["q8_0.gguf"]), Of(TestPaths.TinyStories, ElementType.Q8_0));
        Assert.NotEqual(Of(folder["q8_0.gguf"]), Of(TestPaths.TinyStories));
    }

    [Theory]
    [InlineData("model.layers.0.mlp.down_proj.bias", 0)]
    [InlineData("model.layers.1.self_attn.k_proj.bias", 1)]
    public void Of_AnotherBias_AreOthersInItsLayerAlone(string name, int layer)
    {
        string[] digests = Of(BiasedModel.Folder).Split(',');
        using var folder = new TemporaryFolder();
        (int[] shape, float[] values) = BiasedModel.Tensors[name];
        float[] changed = [.. values];
        changed[5] = MathF.BitIncrement(changed[5]);
        var tensors = new Dictionary<string, (int[], float[])>(BiasedModel.Tensors) { [name] = (shape, changed) };
        BiasedModel.WriteHuggingFace(folder.Path, tensors);
        string[] found = Of(folder.Path).Split(',');
        for (int i = 0; i < digests.Length; i++) Assert.Equal(i != layer, digests[i] == found[i]);

        tensors.Remove(name);
        BiasedModel.WriteHuggingFace(folder.Path, tensors);
        Assert.Equal(layer, WeightDigests.FirstDifference(Of(BiasedModel.Folder), Of(folder.Path)));
    }

    [Fact]
    public void Of_BiasesRoundedWhileLoaded_AreThoseOfTheConvertedFile()
    {
        using var folder = new TemporaryFolder();
        Convert(BiasedModel.Folder, ElementType.Q8_0, folder["q8_0.gguf"]);
        Assert.Equal(Of(folder["q8_0.gguf"]), Of(BiasedModel.Folder, ElementType.Q8_0));
    }

    [Fact]
    public void Of_FileMissing_LeavesItsLayersOut()
    {
        string hf = Path.Combine(Llama1, "hf");
        using var model = TemporaryFolder.CopyOf(hf);
        File.Delete(model["model-00002-of-00002.safetensors"]);
        string[] whole = Of(hf).Split(','), rest = Of(model.Path).Split(',');
        Assert.Contains(string.Empty, rest);
        Assert.Contains(rest, digest => digest.Length > 0);
        Assert.All(rest.Zip(whole), pair => Assert.True(pair.First.Length == 0 || pair.First == pair.Second));
    }

    [Theory]
    [InlineData("a,b,c", "a,b,c", null)]
    [InlineData("a,b,c", "a,x,y", 1)]
    [InlineData("a,,c", "a,x,c", null)]
    [InlineData(",,", "a,b,c", null)]
    [InlineData("", "a,b,c", null)]
    [InlineData(",b,c", "a,,x", 2)]
    public void FirstDifference_IsTheFirstLayerThatBothKnow(string digests, string others, int? expected)
    {
        Assert.Equal(expected, WeightDigests.FirstDifference(digests, others));
        Assert.Equal(expected, WeightDigests.FirstDifference(others, digests));
    }

    private static string Of(string path, ElementType? weights = null)
    {
        using Checkpoint checkpoint = Checkpoint.Open(path, new CheckpointOptions { Weights = weights });
        return WeightDigests.Of(checkpoint);
    }

    private static void Convert(string model, ElementType type, string file) =>
        GgufConverter.Convert(model, type, file, new Progress<GgufProgress>(), TestContext.Current.CancellationToken);
}
