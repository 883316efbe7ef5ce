using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public class CheckpointTests
{
    [Theory]
    [InlineData("llama-1", 64, 3, 4, 4, 192, 320, 2048, 1e-6f, 1e4, LlamaFamily.Llama1, ElementType.F16)]
    [InlineData("llama-2-gqa", 128, 4, 8, 2, 448, 320, 4096, 1e-5f, 1e4, LlamaFamily.Llama2, ElementType.BF16)]
    [InlineData("code-llama", 64, 3, 4, 4, 192, 336, 16384, 1e-5f, 1e6, LlamaFamily.CodeLlama, ElementType.BF16)]
    [InlineData("llama-3", 64, 4, 8, 4, 224, 384, 8192, 1e-5f, 5e5, LlamaFamily.Llama2, ElementType.BF16)]
    [InlineData("llama-3.1", 64, 4, 4, 2, 192, 384, 131072, 1e-5f, 5e5, LlamaFamily.Llama2, ElementType.BF16)]
    public void Open_FixtureInBothFormats_ReadsTheSameConfiguration(
        string fixture, int dim, int layers, int heads, int kvHeads, int hiddenDim, int vocabSize, int context, float eps, double theta,
        LlamaFamily family, ElementType type)
    {
        foreach (string format in new[] { "meta", "hf" })
        {
            using Checkpoint checkpoint = CheckpointReading.Open(Path.Combine(TestPaths.Fixtures, fixture, format));
            ModelConfig config = checkpoint.Config;
            Assert.Equal((dim, layers, heads, kvHeads), (config.Dim, config.Layers, config.Heads, config.KvHeads));
            Assert.Equal((dim / heads, hiddenDim, vocabSize), (config.HeadDim, config.HiddenDim, config.VocabSize));
            Assert.Equal((eps, theta), (config.NormEps, config.RopeTheta));
            Assert.Equal(fixture == "llama-3.1" ? new RopeScaling(8, 1, 4, 8192) : null, config.RopeScaling);
            Assert.Equal(format == "meta" ? RotaryLayout.AdjacentPairs : RotaryLayout.Halves, config.RotaryLayout);
            Assert.False(config.TiedEmbeddings);
            Assert.Equal((family, type), (config.Family, checkpoint.WeightType));
            Assert.Equal(format == "meta" ? [] : [2], config.EndTokens);

            // What Meta's file does not say and nothing else tells is the family's, and said to be assumed.
            int assumed = format == "meta" && fixture == "llama-2-gqa" ? 2048 : context;
            Assert.Equal(assumed, config.ContextLength);
            string assumption = $"Context length {assumed} assumed: params.json does not say; set --context.";
            Assert.Equal(format == "meta", checkpoint.Assumptions.Contains(assumption));
        }
    }

    [Fact]
    public void Open_HuggingFaceOnlyFixtures_ReadsScalingAndTiedEmbeddings()
    {
        using Checkpoint scaled = CheckpointReading.Open(Path.Combine(TestPaths.Fixtures, "llama-3.1-short", "hf"));
        Assert.Equal(new RopeScaling(8, 1, 4, 32), scaled.Config.RopeScaling);
        Assert.Equal(ElementType.F32, scaled.WeightType);
        using Checkpoint tied = CheckpointReading.Open(Path.Combine(TestPaths.Fixtures, "llama-3.2-tied", "hf"));
        Assert.True(tied.Config.TiedEmbeddings);
        Assert.Equal((96, 4, 32, 128), (tied.Config.Dim, tied.Config.Heads, tied.Config.HeadDim, tied.Config.QueryDim));
        byte[] embeddings = CheckpointReading.Bytes(tied.OpenMatrix(TensorNames.TokenEmbeddings, 384, 96));
        Assert.Equal(embeddings, CheckpointReading.Bytes(tied.OpenMatrix(TensorNames.Output, 384, 96)));
        CheckpointReading.ReadEverything(tied);
    }

    [Fact]
    public void Open_ShippedModel_ReadsItsConfigurationAndTensors()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(TestPaths.TinyStories);
        ModelConfig config = checkpoint.Config;
        Assert.Equal((128, 6, 4, 2, 32, 1024), (config.Dim, config.Layers, config.Heads, config.KvHeads, config.HeadDim, config.VocabSize));
        Assert.Equal(256, config.ContextLength);
        Assert.Equal([1, 2], config.EndTokens);
        Assert.Empty(checkpoint.Assumptions);
        CheckpointReading.ReadEverything(checkpoint);
    }

    [Theory]
    [InlineData("llama-1")]
    [InlineData("llama-2-gqa")]
    [InlineData("code-llama")]
    [InlineData("llama-3")]
    [InlineData("llama-3.1")]
    public void OpenMatrix_FixtureInBothFormats_HoldsTheSameBytes(string fixture) =>
        AssertSameTensors(Path.Combine(TestPaths.Fixtures, fixture, "meta"), Path.Combine(TestPaths.Fixtures, fixture, "hf"));

    [Fact]
    public void OpenMatrix_Stories260KInBothFormats_HoldsTheSameBytes()
    {
        string folder = Path.Combine(TestPaths.Beside, "models", "stories260K");
        Assert.SkipUnless(Directory.Exists(folder), "stories260K does not lie beside the repository");
        AssertSameTensors(Path.Combine(folder, "meta"), Path.Combine(folder, "hf"));
    }

    [Fact]
    public void Open_NoFolder_SaysSo()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("there is no such folder", CheckpointReading.Refusal(folder["none"]));
    }

    [Fact]
    public void Open_FolderWithoutCheckpoint_SaysWhatWasLookedForAndWhatIsThere()
    {
        using var folder = new TemporaryFolder();
        Assert.Contains("the folder holds nothing", CheckpointReading.Refusal(folder.Path));
        File.WriteAllText(folder["model.onnx"], "");
        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains("params.json", message);
        Assert.Contains("config.json", message);
        Assert.Contains("model.onnx", message);
    }

    [Fact]
    public void Open_BothConfigurations_TakesTheFormatWhoseWeightsAreThere()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "code-llama", "hf"));
        string meta = Path.Combine(TestPaths.Fixtures, "code-llama", "meta");
        File.Copy(Path.Combine(meta, "params.json"), folder["params.json"]);
        using (Checkpoint withoutWeights = CheckpointReading.Open(folder.Path))
            Assert.Equal(RotaryLayout.Halves, withoutWeights.Config.RotaryLayout);
        File.Copy(Path.Combine(meta, "consolidated.00.pth"), folder["consolidated.00.pth"]);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(RotaryLayout.AdjacentPairs, checkpoint.Config.RotaryLayout);
    }

    [Fact]
    public void OpenMatrix_WrongShape_NamesTensorFileFoundAndExpected()
    {
        foreach (string format in new[] { "meta", "hf" })
        {
            using Checkpoint checkpoint = CheckpointReading.Open(Path.Combine(TestPaths.Fixtures, "code-llama", format));
            string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.Wq(1), 128, 64)).Message;
            Assert.Contains(format == "meta" ? "consolidated.00.pth" : "model.safetensors", message);
            Assert.Contains(format == "meta" ? "layers.1.attention.wq.weight" : "model.layers.1.self_attn.q_proj.weight", message);
            Assert.Contains("found [64, 64], expected [128, 64]", message);
            message = Assert.Throws<CheckpointException>(() => checkpoint.ReadVector(TensorNames.Norm, 65)).Message;
            Assert.Contains("found [64], expected [65]", message);
            Assert.Throws<CheckpointException>(() => checkpoint.ReadVector(TensorNames.Wq(0), 64));
            message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.Wq(7), 64, 64)).Message;
            Assert.Contains("is missing", message);
        }
    }

    [Fact]
    public void OpenMatrix_AfterDispose_Throws()
    {
        Checkpoint checkpoint = CheckpointReading.Open(TestPaths.TinyStories);
        checkpoint.Dispose();
        checkpoint.Dispose();
        Assert.Throws<ObjectDisposedException>(() => checkpoint.OpenMatrix(TensorNames.Wq(0), 128, 128));
        Assert.Throws<ObjectDisposedException>(() => checkpoint.ReadVector(TensorNames.Norm, 128));
    }

    private static void AssertSameTensors(string metaFolder, string huggingFaceFolder)
    {
        using Checkpoint meta = CheckpointReading.Open(metaFolder);
        using Checkpoint huggingFace = CheckpointReading.Open(huggingFaceFolder);
        foreach ((string name, int rows, int columns) in CheckpointReading.Matrices(meta.Config))
        {
            WeightMatrix theirs = huggingFace.OpenMatrix(name, rows, columns);
            byte[] expected = CheckpointReading.Bytes(theirs);
            if (name.EndsWith("wq.weight", StringComparison.Ordinal) || name.EndsWith("wk.weight", StringComparison.Ordinal))
                expected = AdjacentPairs(expected, rows, meta.Config.HeadDim);
            WeightMatrix ours = meta.OpenMatrix(name, rows, columns);
            Assert.Equal((theirs.Type, rows, columns), (ours.Type, ours.Rows, ours.Columns));
            Assert.True(expected.AsSpan().SequenceEqual(CheckpointReading.Bytes(ours)), name);
        }

        foreach (string name in CheckpointReading.Vectors(meta.Config))
        {
            float[] vector = meta.ReadVector(name, meta.Config.Dim);
            Assert.Equal(huggingFace.ReadVector(name, meta.Config.Dim), vector);
            Assert.All(vector, value => Assert.InRange(value, -20, 20));
            Assert.Contains(vector, value => value != 0);
        }
    }

    /// <summary>Undoes Hugging Face's reordering of the rows of a head: row j of a half is row 2j or 2j + 1 of Meta's.</summary>
    private static byte[] AdjacentPairs(byte[] halves, int rows, int headDim)
    {
        byte[] pairs = new byte[halves.Length];
        int rowBytes = halves.Length / rows;
        for (int row = 0; row < rows; row++)
        {
            int head = row / headDim, inHead = row % headDim;
            int target = (head * headDim) + (2 * (inHead % (headDim / 2))) + (inHead / (headDim / 2));
            halves.AsSpan(row * rowBytes, rowBytes).CopyTo(pairs.AsSpan(target * rowBytes));
        }

        return pairs;
    }
}
