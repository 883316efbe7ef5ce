using Llama.Model.Checkpoints;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Meta;

public class MetaCheckpointTests
{
    private static string Fixture(string name) => Path.Combine(TestPaths.Fixtures, name, "meta");

    [Fact]
    public unsafe void OpenMatrix_SplitByRows_IsUsedWhereItLies()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Fixture("llama-3"));
        WeightMatrix wq = checkpoint.OpenMatrix(TensorNames.Wq(0), 64, 64);
        Assert.NotEqual(128, wq.Row(32) - wq.Row(31));
        Assert.Equal(128, wq.Row(31) - wq.Row(30));
        Assert.True(checkpoint.OpenMatrix(TensorNames.Wq(0), 64, 64).Row(0) == wq.Row(0));
    }

    [Fact]
    public unsafe void OpenMatrix_SplitByColumns_IsJoinedOnce()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Fixture("llama-2-gqa"));
        WeightMatrix embeddings = checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, 320, 128);
        Assert.Equal(256, embeddings.Row(200) - embeddings.Row(199));
        Assert.True(checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, 320, 128).Row(0) == embeddings.Row(0));
    }

    [Fact]
    public void Open_GapInShardNumbers_NamesTheMissingFile()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-3"));
        File.Move(folder["consolidated.01.pth"], folder["consolidated.02.pth"]);
        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains("consolidated.01.pth is missing", message);
        File.Move(folder["consolidated.00.pth"], folder["consolidated.01.pth"]);
        Assert.Contains("consolidated.00.pth is missing", CheckpointReading.Refusal(folder.Path));
    }

    [Theory]
    [InlineData("llama-3", "[32, 64] of tensor layers.0.attention.wq.weight, one of 2 parts of [64, 64]")]
    [InlineData("llama-1", "[32, 64] of tensor layers.0.attention.wq.weight, one of 2 parts of [64, 64]")]
    [InlineData("llama-2-gqa", "[64, 128] of tensor layers.0.attention.wq.weight, one of 2 parts of [128, 128]")]
    public void Open_LastShardMissing_NamesItsFile(string fixture, string part)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture(fixture));
        File.Delete(folder["consolidated.01.pth"]);
        Assert.Equal(
            $"{folder.Path}: consolidated.01.pth is missing: consolidated.00.pth holds {part}", CheckpointReading.Refusal(folder.Path));
    }

    [Fact]
    public void Open_VocabularyLeftToShardsOfAnotherWidth_IsRefusedWithTheirShape()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-1"));
        string text = File.ReadAllText(folder["params.json"]).Replace("\"dim\": 64", "\"dim\": 128", StringComparison.Ordinal);
        File.WriteAllText(folder["params.json"], text);
        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains("tok_embeddings.weight: found [320, 32] in each of 2 shards, expected [tokens, 128]", message);
    }

    [Fact]
    public void OpenMatrix_ShardsOfDifferentModels_NamesBoth()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-3"));
        File.Copy(Path.Combine(Fixture("llama-2-gqa"), "consolidated.01.pth"), folder["consolidated.01.pth"], overwrite: true);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.Wq(0), 64, 64)).Message;
        Assert.Contains("consolidated.01.pth: tensor layers.0.attention.wq.weight: found BF16 [64, 128], expected BF16 [32, 64]", message);
        Assert.Throws<CheckpointException>(() => checkpoint.ReadVector(TensorNames.Norm, 64));
    }

    [Fact]
    public void OpenMatrix_SameShardTwice_WholeMatricesAreNoReplicas()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("code-llama"));
        File.Copy(folder["consolidated.00.pth"], folder["consolidated.01.pth"]);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.Wq(0), 64, 64)).Message;
        Assert.Contains("found [64, 64], expected [64, 64] in all, split over 2 shards by rows or columns", message);
    }

    [Fact]
    public void Open_ParamsThatContradictTheTensors_AreNamedWhenTheTensorIsOpened()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("llama-3.1"));
        string text = File.ReadAllText(folder["params.json"]).Replace("\"n_kv_heads\": 2", "\"n_kv_heads\": 4", StringComparison.Ordinal);
        File.WriteAllText(folder["params.json"], text);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        string message = Assert.Throws<CheckpointException>(() => CheckpointReading.ReadEverything(checkpoint)).Message;
        Assert.Contains("layers.0.attention.wk.weight: found [32, 64], expected [64, 64]", message);
    }

    [Fact]
    public void OpenMatrix_NoOutputHead_IsTheEmbedding()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("code-llama"));
        byte[] embeddings = [.. Enumerable.Range(0, 336 * 64 * 4).Select(i => (byte)(i % 64))];
        byte[] pickle = PickleWriter.Dictionary("tok_embeddings.weight", writer => writer.Tensor("0", [336, 64], [64, 1]));
        PickleWriter.WriteFile(folder["new.pth"], pickle, [("data/0", embeddings)]);
        File.Move(folder["new.pth"], folder["consolidated.00.pth"], overwrite: true);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.True(checkpoint.Config.TiedEmbeddings);
        Assert.Equal(ElementType.F32, checkpoint.WeightType);
        Assert.Equal(embeddings, CheckpointReading.Bytes(checkpoint.OpenMatrix(TensorNames.Output, 336, 64)));
    }

    [Fact]
    public void OpenMatrix_NoWeights_NamesTheFirstFileAndTheTensor()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("code-llama"));
        File.Delete(folder["consolidated.00.pth"]);
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal(336, checkpoint.Config.VocabSize);
        Assert.Equal(ElementType.BF16, checkpoint.WeightType);
        string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.W2(0), 64, 192)).Message;
        Assert.Contains("consolidated.00.pth, needed for tensor layers.0.feed_forward.w2.weight, is missing", message);
    }

    [Fact]
    public void Open_ForeignCode_IsRefusedByNameAndNotRun()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Fixture("code-llama"));
        string trace = folder["ran"];
        byte[] pickle = PickleWriter.Dictionary(
            "tok_embeddings.weight",
            writer => writer.Raw("cos\nsystem\n(").Text($"touch {trace}").Raw("tR"));
        PickleWriter.WriteFile(folder["consolidated.00.pth"], pickle, []);
        string message = CheckpointReading.Refusal(folder.Path);
        Assert.Contains("consolidated.00.pth: archive/data.pkl, byte ", message);
        Assert.Contains("found os.system, expected only tensors, storages and ordered dictionaries", message);
        Assert.False(File.Exists(trace));
    }
}
