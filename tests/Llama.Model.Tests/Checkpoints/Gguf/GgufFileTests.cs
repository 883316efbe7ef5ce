using System.Buffers.Binary;
using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Gguf;

public sealed class GgufFileTests : IDisposable
{
    private static readonly int[] Numbers = [1, 2, 3];

    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Open_Version2_IsRead()
    {
        string file = Changed(bytes => bytes[4] = 2);
        using Checkpoint checkpoint = CheckpointReading.Open(file);
        Assert.Equal(32, checkpoint.Config.Dim);
        Assert.Equal("F32", checkpoint.WeightName);
        Assert.True(CheckpointReading.ReadEverything(checkpoint) > 0);
    }

    [Fact]
    public void Open_WrongMagicOrVersion_IsRefused()
    {
        Assert.Equal($"{folder["tiny.gguf"]}: at byte 0: found 504b0304, expected 47475546 (GGUF)", Refusal(bytes => "PK\x3\x4"u8.CopyTo(bytes)));
        Assert.Contains("at byte 4: found version 1, expected GGUF version 2 or 3", Refusal(bytes => bytes[4] = 1));
        Assert.Contains("found a big-endian file", Refusal(bytes => (bytes[4], bytes[7]) = ((byte)0, (byte)3)));
    }

    [Theory]
    [InlineData(8, "tensors")]
    [InlineData(16, "metadata keys")]
    public void Open_AbsurdCounts_AreRefused(int at, string what)
    {
        foreach (ulong count in new[] { 1_000_000UL, 1UL << 40, ulong.MaxValue })
            Assert.Contains(what, Refusal(bytes => BinaryPrimitives.WriteUInt64LittleEndian(bytes.AsSpan(at), count)));
    }

    [Fact]
    public void Open_TensorOfUnknownType_NamesTensorTypeAndPlace()
    {
        string refusal = Refusal(bytes => BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(At(bytes, "blk.0.attn_k.weight") + 20), 40));
        Assert.Contains("tensor blk.0.attn_k.weight: found type NVFP4, expected F32, F16", refusal);
        Assert.Matches(@"tiny\.gguf: at byte [0-9]+: ", refusal);
        Assert.Contains(
            "found type number 77",
            Refusal(bytes => BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(At(bytes, "blk.0.attn_k.weight") + 20), 77)));
    }

    [Fact]
    public void Open_TensorOfUnknownTypeThatNobodyNeeds_IsLeftAlone()
    {
        byte[] bytes = File.ReadAllBytes(TinyGguf.Write(folder["tiny.gguf"]));
        int at = At(bytes, "blk.0.attn_k.weight");
        "mtp"u8.CopyTo(bytes.AsSpan(at - "blk.0.attn_k.weight".Length));
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(at + 20), 99);
        File.WriteAllBytes(folder["tiny.gguf"], bytes);
        using var file = new GgufFile(folder["tiny.gguf"]);
        Assert.Null(file.Find("mtp.0.attn_k.weight"));
        Assert.NotNull(file.Find("blk.0.attn_q.weight"));
    }

    [Theory]
    [InlineData(1L, "found place 1, expected a multiple of 32")]
    [InlineData(0L, "within another that ends at")]
    [InlineData(long.MaxValue - 31, "but the file ends at byte")]
    public void Open_TensorAtWrongPlace_NamesIt(long place, string expected)
    {
        string refusal = Refusal(bytes => BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(At(bytes, "blk.0.attn_k.weight") + 24), place));
        Assert.Contains(expected, refusal);
    }

    [Fact]
    public void Open_LastTensorCutOff_NamesIt()
    {
        string file = TinyGguf.Write(folder["tiny.gguf"]);
        byte[] bytes = File.ReadAllBytes(file);
        File.WriteAllBytes(file, bytes[..^33]);
        Assert.Contains("tensor output.weight: takes 5120 bytes from byte", CheckpointReading.Refusal(file));
    }

    [Fact]
    public void Open_ShapeTooLargeOrPartOfABlock_NamesTensor()
    {
        Assert.Contains(
            "tensor blk.0.attn_k.weight: found shape [9223372036854775807, 32], more than any file holds",
            Refusal(bytes => BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(At(bytes, "blk.0.attn_k.weight") + 12), long.MaxValue)));
        Assert.Contains(
            "tensor blk.0.attn_k.weight: found rows of 33 elements, expected whole blocks of 32 for Q8_0",
            Refusal(
                bytes => BinaryPrimitives.WriteInt64LittleEndian(bytes.AsSpan(At(bytes, "blk.0.attn_k.weight") + 4), 33), ElementType.Q8_0));
    }

    [Fact]
    public void Open_SameTensorTwice_IsRefused() =>
        Assert.Contains(
            "found tensor blk.0.attn_q.weight again",
            Refusal(bytes => "blk.0.attn_q.weight"u8.CopyTo(bytes.AsSpan(At(bytes, "blk.0.attn_k.weight") - 19))));

    [Fact]
    public void Open_ArrayOfArrays_IsRefused()
    {
        TinyGguf.Write(folder["tiny.gguf"], ElementType.F32, ("test.array", Numbers));
        byte[] bytes = File.ReadAllBytes(folder["tiny.gguf"]);
        bytes[At(bytes, "test.array") + 4] = 9;
        File.WriteAllBytes(folder["tiny.gguf"], bytes);
        Assert.Contains("the value of test.array is an array of arrays", CheckpointReading.Refusal(folder["tiny.gguf"]));
    }

    [Fact]
    public void Open_Alignment_IsKeptOrRefused()
    {
        string file = TinyGguf.Write(folder["tiny.gguf"], ElementType.F32, ("general.alignment", 1024));
        Assert.Contains("expected a multiple of 1024", CheckpointReading.Refusal(file));
        TinyGguf.Write(file, ElementType.F32, ("general.alignment", 48));
        Assert.Contains("general.alignment: found 48, expected a power of two", CheckpointReading.Refusal(file));
    }

    [Fact]
    public void Find_Tensor_LiesWhereItWasWritten()
    {
        using var file = new GgufFile(TinyGguf.Write(folder["tiny.gguf"], ElementType.Q8_0));
        Assert.Equal(0, file.DataStart % 32);
        Assert.Null(file.Find("blk.1.attn_q.weight"));
        Assert.Equal([40, 32], file.Find("token_embd.weight")!.Shape);
        Assert.Equal(ElementType.Q8_0, file.MostFrequentType);
    }

    private static int At(byte[] bytes, string name) => bytes.AsSpan().IndexOf(Encoding.UTF8.GetBytes(name)) + name.Length;

    private string Changed(Action<byte[]> change, ElementType type = ElementType.F32)
    {
        string file = TinyGguf.Write(folder["tiny.gguf"], type);
        byte[] bytes = File.ReadAllBytes(file);
        change(bytes);
        File.WriteAllBytes(file, bytes);
        return file;
    }

    private string Refusal(Action<byte[]> change, ElementType type = ElementType.F32) => CheckpointReading.Refusal(Changed(change, type));
}
