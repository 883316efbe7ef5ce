using System.IO.Compression;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Files;
using Llama.Model.Checkpoints.Meta;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Meta;

public class TorchFileTests
{
    private static readonly byte[] SixFloats = [.. Enumerable.Range(1, 6).SelectMany(i => BitConverter.GetBytes((float)i))];

    [Fact]
    public unsafe void Find_ViewWithOffset_LiesAtItsElements()
    {
        using var folder = new TemporaryFolder();
        using TorchFile file = Write(folder, writer => writer.Tensor("0", [2, 2], [2, 1], offset: 2, elements: 6), ("data/0", SixFloats));
        StoredTensor tensor = file.Find("weight")!;
        Assert.Equal(("F32", 3f, 6f), (tensor.TypeName, ((float*)tensor.Data)[0], ((float*)tensor.Data)[3]));
        Assert.Null(file.Find("none"));
    }

    [Fact]
    public unsafe void Find_Parameter_IsItsTensor()
    {
        using var folder = new TemporaryFolder();
        using TorchFile file = Write(
            folder,
            writer => writer.Raw("ctorch._utils\n_rebuild_parameter\n(")
                .Tensor("0", [6], [1])
                .Raw(0x88)
                .Raw("ccollections\nOrderedDict\n)RtR"),
            ("data/0", SixFloats));
        Assert.Equal(1f, *(float*)file.Find("weight")!.Data);
    }

    [Theory]
    [InlineData(new long[] { 2, 3 }, new long[] { 1, 2 }, 0, 6, "found strides [1, 2] for shape [2, 3]")]
    [InlineData(new long[] { 2, 3 }, new long[] { 3, 1 }, 1, 6, "found shape [2, 3] from element 1 of a storage of 6 elements")]
    [InlineData(new long[] { 3, 3 }, new long[] { 3, 1 }, 0, 6, "found shape [3, 3] from element 0 of a storage of 6 elements")]
    [InlineData(new long[] { 1L << 40, 1L << 40 }, new long[] { 1L << 40, 1 }, 0, 6, "found shape [1099511627776, 1099511627776]")]
    [InlineData(new long[] { 2, 3 }, new long[] { 3, 1 }, long.MaxValue, 6, "from element 9223372036854775807")]
    [InlineData(new long[] { 2, 3 }, new long[] { 3, 1 }, 0, 7, "found 24 bytes in entry data/0, expected 7 elements of F32")]
    [InlineData(new long[] { 2, 3 }, new long[] { 3, 1 }, 0, long.MaxValue, "found 24 bytes in entry data/0, expected 9223372036854775807 elements")]
    public void Find_TensorThatDoesNotFitItsStorage_IsRefusedByName(
        long[] shape, long[] strides, long offset, long elements, string expected)
    {
        using var folder = new TemporaryFolder();
        using TorchFile file = Write(
            folder,
            writer => writer.Tensor("0", shape, strides, offset: offset, elements: elements),
            ("data/0", SixFloats));
        string message = Assert.Throws<CheckpointException>(() => file.Find("weight")).Message;
        Assert.Contains($"{file.Path}: tensor weight: ", message);
        Assert.Contains(expected, message);
    }

    [Fact]
    public void Find_OtherType_IsRefusedWhenUsed()
    {
        using var folder = new TemporaryFolder();
        using TorchFile file = Write(folder, writer => writer.Tensor("0", [3], [1], "LongStorage"), ("data/0", SixFloats));
        StoredTensor tensor = file.Find("weight")!;
        string message = Assert.Throws<CheckpointException>(() => tensor.Type).Message;
        Assert.Contains("tensor weight: found type torch.LongStorage, expected F32, F16 or BF16", message);
    }

    [Fact]
    public void Find_EntryMissingOrNoTensor_IsRefusedByName()
    {
        using var folder = new TemporaryFolder();
        using (TorchFile file = Write(folder, writer => writer.Tensor("5", [6], [1])))
            Assert.Contains("should lie in entry data/5", Assert.Throws<CheckpointException>(() => file.Find("weight")).Message);
        using (TorchFile file = Write(folder, writer => writer.Number(3)))
            Assert.Contains("no tensor", Assert.Throws<CheckpointException>(() => file.Find("weight")).Message);
    }

    [Fact]
    public void Open_CompressedEntries_AreRefusedByName()
    {
        using var folder = new TemporaryFolder();
        byte[] pickle = PickleWriter.Dictionary("weight", writer => writer.Number(3));
        PickleWriter.WriteFile(folder["a.pth"], pickle, [], CompressionLevel.Optimal);
        string message = Assert.Throws<CheckpointException>(() => new TorchFile(folder["a.pth"])).Message;
        Assert.Contains("found entry archive/data.pkl with compression method 8", message);
    }

    [Fact]
    public void Open_ByteOrder_MustBeLittle()
    {
        using var folder = new TemporaryFolder();
        Write(folder, writer => writer.Number(3), ("byteorder", "little"u8.ToArray())).Dispose();
        var refused = Assert.Throws<CheckpointException>(() => Write(folder, writer => writer.Number(3), ("byteorder", "big"u8.ToArray())));
        Assert.Contains("found byte order big, expected little", refused.Message);
    }

    [Fact]
    public void Open_OtherContents_AreRefused()
    {
        using var folder = new TemporaryFolder();
        PickleWriter.WriteFile(folder["list.pth"], [0x80, 2, (byte)')', (byte)'.'], []);
        Assert.Contains("expected a dictionary of tensors", Refusal(folder["list.pth"]));
        PickleWriter.WriteFile(folder["two.pth"], [0x80, 2, (byte)')', (byte)'.'], [("other/data.pkl", [])]);
        Assert.Contains("more than one entry", Refusal(folder["two.pth"]));
        File.WriteAllBytes(folder["old.pth"], [0x80, 2, 0x8a, 10, .. "old formats begin with a number"u8]);
        Assert.Contains("found no end of a zip file", Refusal(folder["old.pth"]));
        File.WriteAllBytes(folder["empty.pth"], []);
        Assert.Contains("the file is empty", Refusal(folder["empty.pth"]));
        Assert.Contains("the file is missing", Refusal(folder["none.pth"]));
    }

    private static string Refusal(string path) => Assert.Throws<CheckpointException>(() => new TorchFile(path)).Message;

    private static TorchFile Write(TemporaryFolder folder, Action<PickleWriter> value, params (string Name, byte[] Bytes)[] entries)
    {
        PickleWriter.WriteFile(folder["a.pth"], PickleWriter.Dictionary("weight", value), entries);
        return new TorchFile(folder["a.pth"]);
    }
}
