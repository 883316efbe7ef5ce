using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tests.Layers;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public unsafe class QuantizedCheckpointTests
{
    public static TheoryData<string, ElementType> Cases()
    {
        var data = new TheoryData<string, ElementType>();
        foreach (string name in (string[])["llama-1/meta", "llama-1/hf", "llama-3.1/hf", "llama-3.2-tied/hf", BiasedModel.Name])
        {
            foreach (ElementType type in (ElementType[])[ElementType.F16, ElementType.BF16, ElementType.Q8_0, ElementType.Q4_0, ElementType.Q4_K])
                data.Add(name, type);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void OpenMatrix_EveryMatrix_HasTheBytesOfTheConvertedFile(string name, ElementType type)
    {
        using var folder = new TemporaryFolder();
        using Checkpoint converted = CheckpointReading.Open(TinyGguf.Convert(folder, GoldenResults.Folder(name), type));
        using Checkpoint quantized = Open(GoldenResults.Folder(name), type);
        Assert.Equal((converted.WeightName, converted.WeightType), (quantized.WeightName, quantized.WeightType));
        Assert.Equal(converted.Config.RotaryLayout, quantized.Config.RotaryLayout);
        foreach ((string matrix, int rows, int columns) in CheckpointReading.Matrices(converted.Config))
        {
            WeightMatrix expected = converted.OpenMatrix(matrix, rows, columns), found = quantized.OpenMatrix(matrix, rows, columns);
            Assert.Equal((expected.Type, expected.Rows, expected.Columns), (found.Type, found.Rows, found.Columns));
            Assert.Equal(CheckpointReading.Bytes(expected), CheckpointReading.Bytes(found));
        }

        foreach ((string matrix, int rows) in CheckpointReading.LayerMatrices(converted.Config))
            Assert.Equal(converted.ReadBias(matrix, rows), quantized.ReadBias(matrix, rows));
        foreach (string vector in CheckpointReading.Vectors(converted.Config))
            Assert.Equal(converted.ReadVector(vector, converted.Config.Dim), quantized.ReadVector(vector, converted.Config.Dim));
    }

    [Theory]
    [InlineData("llama-1/meta")]
    [InlineData("llama-3.1/hf")]
    [InlineData(BiasedModel.Name)]
    public void Logits_QuantizedAtLoad_HaveTheBitsOfTheConvertedFile(string name)
    {
        string source = GoldenResults.Folder(name);
        using var folder = new TemporaryFolder();
        int[] cut = [0, 1, ForwardRunner.LayersOf(source)];
        using var converted = new ForwardRunner(TinyGguf.Convert(folder, source, ElementType.Q4_0), cut);
        using var quantized = new ForwardRunner(source, cut, options: new CheckpointOptions { Weights = ElementType.Q4_0, Threads = 2 });
        int[] tokens = GoldenResults.Read(Path.Combine(source, "..", "golden.json")).Tokens;
        Assert.Equal(converted.Logits(tokens, 7), quantized.Logits(tokens, tokens.Length));
    }

    [Fact]
    public void OpenMatrix_BothFormats_HaveTheSameBytesAndFingerprint()
    {
        using Checkpoint meta = Open(GoldenResults.Folder("llama-3.1/meta"), ElementType.Q8_0);
        using Checkpoint huggingFace = Open(GoldenResults.Folder("llama-3.1/hf"), ElementType.Q8_0);
        Assert.Equal(ModelFingerprint.Of(meta.Config), ModelFingerprint.Of(huggingFace.Config));
        Assert.Equal(
            CheckpointReading.Bytes(meta.OpenMatrix(TensorNames.Wk(1), 32, 64)),
            CheckpointReading.Bytes(huggingFace.OpenMatrix(TensorNames.Wk(1), 32, 64)));
    }

    [Fact]
    public void OpenMatrix_TiedEmbeddings_AreQuantizedOnce()
    {
        using Checkpoint checkpoint = Open(GoldenResults.Folder("llama-3.2-tied/hf"), ElementType.Q8_0);
        ModelConfig config = checkpoint.Config;
        Assert.Same(
            checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, config.VocabSize, config.Dim),
            checkpoint.OpenMatrix(TensorNames.Output, config.VocabSize, config.Dim));
    }

    [Fact]
    public void Open_QuantizedGguf_IsRefusedUnlessOfThatType()
    {
        using var folder = new TemporaryFolder();
        string file = TinyGguf.Write(folder["tiny.gguf"], ElementType.Q8_0);
        string refusal = CheckpointReading.Refusal(file, new CheckpointOptions { Weights = ElementType.Q4_0 });
        Assert.StartsWith($"{file}: the weights are stored as Q8_0 and are not rounded a second time, to Q4_0: leave --weights out", refusal);
        using Checkpoint same = Open(file, ElementType.Q8_0);
        Assert.Equal(ElementType.Q8_0, same.OpenMatrix(TensorNames.Wq(0), 32, 32).Type);
    }

    [Fact]
    public void OpenMatrix_GgufOfF32_IsQuantized()
    {
        using var folder = new TemporaryFolder();
        string source = TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.F32);
        using Checkpoint expected = Open(TestPaths.TinyStories, ElementType.Q4_0);
        using Checkpoint found = Open(source, ElementType.Q4_0);
        Assert.Equal(
            CheckpointReading.Bytes(expected.OpenMatrix(TensorNames.Wq(3), 128, 128)),
            CheckpointReading.Bytes(found.OpenMatrix(TensorNames.Wq(3), 128, 128)));
    }

    [Fact]
    public void OpenMatrix_StoredInThatTypeAlready_LiesWhereItIs()
    {
        using Checkpoint checkpoint = Open(GoldenResults.Folder("llama-3.1/meta"), ElementType.BF16);
        WeightMatrix matrix = checkpoint.OpenMatrix(TensorNames.Wo(0), 64, 64);
        Assert.True(ResidentMemory.IsOfFile((nint)matrix.Row(0), "consolidated.00.pth"));
    }

    [Fact]
    public void OpenMatrix_MissingFile_IsNamed()
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(GoldenResults.Folder("llama-1/hf"));
        File.Delete(folder["model-00002-of-00002.safetensors"]);
        using Checkpoint checkpoint = Open(folder.Path, ElementType.Q8_0);
        string message = Assert.Throws<CheckpointException>(() => CheckpointReading.ReadEverything(checkpoint)).Message;
        Assert.Contains("model-00002-of-00002.safetensors", message);
    }

    private static Checkpoint Open(string path, ElementType type) =>
        Checkpoint.Open(path, new CheckpointOptions { Weights = type, Threads = 2 });
}
