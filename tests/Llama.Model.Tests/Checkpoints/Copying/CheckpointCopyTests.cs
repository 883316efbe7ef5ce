using System.Globalization;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Copying;
using Llama.Model.Checkpoints.Files;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Copying;

public sealed class CheckpointCopyTests : IDisposable
{
    private static readonly string Shards = Path.Combine(TestPaths.Fixtures, "llama-3", "hf");

    private readonly TemporaryFolder folder = new();

    public static TheoryData<string, int, int> Ranges => new()
    {
        { "llama-3/hf", 0, 1 },
        { "llama-3/hf", 1, 3 },
        { "llama-3/hf", 3, 4 },
        { "llama-3.2-tied/hf", 1, 2 },
        { "llama-2-gqa/meta", 0, 2 },
        { "llama-2-gqa/meta", 1, 3 },
        { BiasedModel.Name, 0, 1 },
        { BiasedModel.Name, 1, 3 },
    };

    private static CancellationToken TestEnds => TestContext.Current.CancellationToken;

    private string Target => folder["target"];

    public void Dispose() => folder.Dispose();

    [Theory]
    [MemberData(nameof(Ranges))]
    public void Copy_Range_HasTheTensorsOfItsLayersAndNamesTheOthers(string fixture, int first, int end) =>
        AssertCopied(GoldenResults.Folder(fixture), first, end);

    [Fact]
    public void Copy_RangeUpToTheEnd_HasTheOutputHead()
    {
        AssertCopied(Path.Combine(TestPaths.Fixtures, "llama-3.2-tied", "hf"), 1, null);
        Directory.Delete(Target, recursive: true);
        AssertCopied(Path.Combine(TestPaths.Fixtures, "llama-2-gqa", "meta"), 2, null);
    }

    [Fact]
    public void Copy_RangeOfAGgufFile_HasItsTensorsAndItsTokenizer()
    {
        string file = folder["model.gguf"];
        GgufConverter.Convert(TestPaths.TinyStories, ElementType.Q8_0, file, new Progress<GgufProgress>(), TestEnds);
        AssertCopied(file, 2, 4);
        Assert.NotNull(Llama.Model.Tokenization.TokenizerLoader.Load(Target));
    }

    [Fact]
    public void Copy_RangeOfASplitGguf_HasTheHeadersOfAllParts()
    {
        IReadOnlyList<(GgufTensor Tensor, float[] Values)> tensors = BiasedModel.GgufTensors();
        using var model = new TemporaryFolder();
        BiasedModel.WriteGgufParts(
            model.Path,
            [.. tensors.Where(tensor => !tensor.Tensor.Name.StartsWith("blk.0.", StringComparison.Ordinal))],
            [.. tensors.Where(tensor => tensor.Tensor.Name.StartsWith("blk.0.", StringComparison.Ordinal))]);
        AssertCopied(model.Path, 1, 3);
        Assert.Equal(2, Directory.GetFiles(Target, "*.gguf").Length);
    }

    [Fact]
    public void Copy_ShardsOfOtherLayers_AreNotThereAndSmallFilesAre()
    {
        CopySummary summary = Copy(Shards, 0, 1);
        Assert.Equal(1, summary.Files);
        Assert.False(File.Exists(Path.Combine(Target, "model-00002-of-00002.safetensors")));
        Assert.True(File.Exists(Path.Combine(Target, "model.safetensors.index.json")));
        Assert.Equal(File.ReadAllBytes(Path.Combine(Shards, "config.json")), File.ReadAllBytes(Path.Combine(Target, "config.json")));
        Assert.InRange(summary.LeftOut, 1, new FileInfo(Path.Combine(Shards, "model-00001-of-00002.safetensors")).Length);
        using Checkpoint copied = CheckpointReading.Open(Target), source = CheckpointReading.Open(Shards);
        Assert.Equal(ModelFingerprint.Of(source.Config), ModelFingerprint.Of(copied.Config));
        Assert.Null(WeightDigests.FirstDifference(WeightDigests.Of(source), WeightDigests.Of(copied)));
    }

    [Fact]
    public void Copy_Interrupted_GoesOnWhereItWas()
    {
        using var interrupting = new CancellationTokenSource();
        int pieces = 0;
        var progress = new Said(_ =>
        {
            if (++pieces == 10) interrupting.Cancel();
        });
        Assert.ThrowsAny<OperationCanceledException>(() => CheckpointCopy.Copy(Shards, 0, 4, Target, progress, interrupting.Token));
        string record = CopiedRanges.PathOf(Path.Combine(Target, "model-00001-of-00002.safetensors"));
        Assert.Equal(11, File.ReadAllLines(record).Length);

        // A line of which only a part was written when the machine stopped.
        File.AppendAllText(record, "17 3");
        CopySummary summary = Copy(Shards, 0, 4);
        long inAll = Bytes("model-00001-of-00002.safetensors") + Bytes("model-00002-of-00002.safetensors");
        Assert.Equal(inAll, summary.Copied + summary.Checked);
        Assert.InRange(summary.Checked, 1, inAll - 1);
        AssertSameFiles();
        Assert.Equal(new CopySummary(2, 0, inAll, 0), Copy(Shards, 0, 4));
    }

    [Fact]
    public void Split_LongPlace_IsSeveralPieces()
    {
        const long Long = FilePieces.LongestPiece;
        Assert.Equal([(5, 5 + Long), (5 + Long, 5 + (2 * Long)), (5 + (2 * Long), 6 + (2 * Long))], FilePieces.Split((5, 6 + (2 * Long))));
        Assert.Equal([(5, 5 + Long)], FilePieces.Split((5, 5 + Long)));
        Assert.Empty(FilePieces.Split((5, 5)));
    }

    [Fact]
    public void Copy_MoreLayers_AreAddedToThoseThatAreThere()
    {
        CopySummary before = Copy(Shards, 1, 2);
        CopySummary after = Copy(Shards, 0, null);
        Assert.Equal(before.Copied, after.Checked);
        AssertSameFiles();
    }

    [Fact]
    public void Copy_DamagedTarget_IsCopiedAgainWhereItIsDamaged()
    {
        Copy(Shards, 0, 4);
        string path = Path.Combine(Target, "model-00001-of-00002.safetensors");
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^5] ^= 1;
        File.WriteAllBytes(path, bytes);
        CopySummary again = Copy(Shards, 0, 4);
        Assert.InRange(again.Copied, 1, bytes.Length / 2);
        AssertSameFiles();
    }

    [Fact]
    public void Copy_AnotherSource_BeginsAnew()
    {
        using TemporaryFolder other = TemporaryFolder.CopyOf(Shards);
        string path = other["model-00001-of-00002.safetensors"];
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^5] ^= 1;
        File.WriteAllBytes(path, bytes);
        Copy(other.Path, 0, 2);
        CopySummary summary = Copy(Shards, 0, 4);
        Assert.Equal(0, summary.Checked);
        AssertSameFiles();
    }

    [Fact]
    public void Copy_WhatCannotBe_IsRefusedAndNothingIsOverwritten()
    {
        Assert.Contains("has no layers 2 to 5", Assert.Throws<CheckpointException>(() => Copy(Shards, 2, 5)).Message, StringComparison.Ordinal);
        Assert.Contains("has no layers 2 to 2", Assert.Throws<CheckpointException>(() => Copy(Shards, 2, 2)).Message, StringComparison.Ordinal);
        using TemporaryFolder whole = TemporaryFolder.CopyOf(Shards);
        IOException fault = Assert.Throws<IOException>(() => CheckpointCopy.Copy(whole.Path, 0, 4, whole.Path, new Said(_ => { }), TestEnds));
        Assert.Contains("is the folder that is copied", fault.Message, StringComparison.Ordinal);
        fault = Assert.Throws<IOException>(() => CheckpointCopy.Copy(Shards, 0, 4, whole.Path, new Said(_ => { }), TestEnds));
        Assert.Contains("is there, and was not copied with this command", fault.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_RecordThatIsNone_IsRefusedByName()
    {
        Copy(Shards, 0, 4);
        string record = CopiedRanges.PathOf(Path.Combine(Target, "model-00001-of-00002.safetensors"));
        string good = File.ReadAllText(record);
        long length = Bytes("model-00001-of-00002.safetensors");
        foreach ((string text, string expected) in ((string, string)[])
            [
                ("nonsense\n", "expected 'copied 1 BYTES SOURCE'"),
                ("copied 1 -5 0\n", "expected 'copied 1 BYTES SOURCE'"),
                ($"copied 1 {length} 0\n5 5 ab\n", "line 2: found "),
                ($"copied 1 {length} 0\n0 {length + 1} ab\n", "line 2: found "),
                (good.Replace($"copied 1 {length}", $"copied 1 {length + 1}", StringComparison.Ordinal), "another file, or not copied yet"),
            ])
        {
            File.WriteAllText(record, text);
            CheckpointException fault = Assert.Throws<CheckpointException>(() =>
            {
                using Checkpoint checkpoint = CheckpointReading.Open(Target);
                CheckpointReading.ReadEverything(checkpoint);
            });
            Assert.Contains(expected, fault.Message, StringComparison.Ordinal);
        }
    }

    private void AssertCopied(string model, int first, int? to)
    {
        Copy(model, first, to);
        using Checkpoint source = CheckpointReading.Open(model), copied = CheckpointReading.Open(Target);
        int end = to ?? source.Config.Layers;
        foreach ((string name, int rows, int columns) in CheckpointReading.Matrices(source.Config))
        {
            if (IsIn(source.Config, name, first, end))
            {
                Assert.Equal(
                    CheckpointReading.Bytes(source.OpenMatrix(name, rows, columns)),
                    CheckpointReading.Bytes(copied.OpenMatrix(name, rows, columns)));
            }
            else
            {
                string fault = Assert.Throws<CheckpointException>(() => copied.OpenMatrix(name, rows, columns)).Message;
                Assert.Matches("was not copied to this machine|is missing", fault);
            }
        }

        foreach ((string name, int rows) in CheckpointReading.LayerMatrices(source.Config).Where(matrix => IsIn(source.Config, matrix.Name, first, end)))
            Assert.Equal(source.ReadBias(name, rows), copied.ReadBias(name, rows));
        foreach (string name in CheckpointReading.Vectors(source.Config).Where(name => IsIn(source.Config, name, first, end)))
            Assert.Equal(source.ReadVector(name, source.Config.Dim), copied.ReadVector(name, source.Config.Dim));
    }

    private static bool IsIn(ModelConfig config, string name, int first, int end)
    {
        if (name == TensorNames.TokenEmbeddings) return first == 0 || (config.TiedEmbeddings && end == config.Layers);
        if (name is TensorNames.Norm or TensorNames.Output) return end == config.Layers || (config.TiedEmbeddings && first == 0 && name == TensorNames.Output);
        int layer = int.Parse(name.Split('.')[1], CultureInfo.InvariantCulture);
        return layer >= first && layer < end;
    }

    private CopySummary Copy(string model, int first, int? end) => CheckpointCopy.Copy(model, first, end, Target, new Said(_ => { }), TestEnds);

    private static long Bytes(string name) => new FileInfo(Path.Combine(Shards, name)).Length;

    private void AssertSameFiles()
    {
        foreach (string path in Directory.EnumerateFiles(Shards))
            Assert.Equal(File.ReadAllBytes(path), File.ReadAllBytes(Path.Combine(Target, Path.GetFileName(path))));
    }

    private sealed class Said(Action<CopyProgress> say) : IProgress<CopyProgress>
    {
        public void Report(CopyProgress value) => say(value);
    }
}
