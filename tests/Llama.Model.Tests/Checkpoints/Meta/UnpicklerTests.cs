using System.Text;
using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Meta;

namespace Llama.Model.Tests.Checkpoints.Meta;

public class UnpicklerTests
{
    [Theory]
    [InlineData("cos\nsystem\n(X\u0004\0\0\0truetR.", "byte 2: found os.system, expected only tensors")]
    [InlineData("cbuiltins\neval\n.", "byte 2: found builtins.eval")]
    [InlineData("X\u0002\0\0\0osX\u0006\0\0\0system\u0093.", "found os.system")]
    [InlineData("ctorch._utils\n_rebuild_qtensor\n.", "found torch._utils._rebuild_qtensor")]
    [InlineData("(X\u0004\0\0\0trueios\nsystem\n.", "found opcode INST (0x69)")]
    [InlineData("(cos\nsystem\no.", "found os.system")]
    [InlineData(")o.", "found opcode OBJ (0x6f)")]
    [InlineData("))\u0081.", "found opcode NEWOBJ (0x81)")]
    [InlineData("\u0082\u0001.", "found opcode EXT1 (0x82)")]
    [InlineData("\u00ff.", "found opcode 0xff")]
    [InlineData("X\u001b\0\0\0torch._utils_rebuild_tensor)R.", "found a call whose arguments do not make a tensor")]
    [InlineData("ccollections\nOrderedDict\nK\u0001\u0085R.", "found a call whose arguments do not make a tensor")]
    [InlineData("K\u0001Q.", "found a reference that is not to a storage")]
    [InlineData("}K\u0001K\u0002s.", "found a key that is not a text")]
    [InlineData("K\u0001K\u0001K\u0002s.", "found items of something other than a dictionary")]
    [InlineData("}(K\u0001u.", "found items of something other than a dictionary")]
    [InlineData("}K\u0001(b.", "operation on a value that is not there")]
    [InlineData("K\u0001Nb.", "found attributes (BUILD) of something other")]
    [InlineData("K\u0001(0.", "found opcode POP (0x30)")]
    [InlineData("t.", "found the end of a group that was not begun")]
    [InlineData("(R.", "operation on a value that is not there")]
    [InlineData("K\u0001(\u0085.", "operation on a value that is not there")]
    [InlineData("h\u0007.", "found a reference to value 7 before that")]
    [InlineData("q\u0007.", "operation on a value that is not there")]
    [InlineData(".", "operation on a value that is not there")]
    [InlineData("N", "found the end of the pickle within a value")]
    [InlineData("X\u0005\0\0\0abc", "found the end of the pickle within a value")]
    [InlineData("X\u00ff\u00ff\u00ff\u007fabc", "found a text of 2147483647 bytes, expected at most 1024")]
    [InlineData("X\u00ff\u00ff\u00ff\u00ffabc", "found a text of 4294967295 bytes")]
    [InlineData("\u008a\u0009aaaaaaaaa.", "found a number of 9 bytes")]
    [InlineData("cos", "found a name without an end")]
    public void Load_ForeignOrDamaged_IsRefusedByName(string latin1, string expected)
    {
        byte[] pickle = [0x80, 2, .. Encoding.Latin1.GetBytes(latin1)];
        string message = Assert.Throws<CheckpointException>(() => Unpickler.Load(pickle, "data.pkl")).Message;
        Assert.StartsWith("data.pkl, byte ", message, StringComparison.Ordinal);
        Assert.Contains(expected, message);
    }

    [Fact]
    public void Load_ForeignName_IsNotShownAtLength()
    {
        byte[] pickle = Encoding.ASCII.GetBytes($"c{new string('a', 1000)}\nb\u0007\n.");
        string message = Assert.Throws<CheckpointException>(() => Unpickler.Load(pickle, "data.pkl")).Message;
        Assert.InRange(message.Length, 1, 300);
    }

    [Theory]
    [InlineData("\u0080\u0001N.")]
    [InlineData("\u0080\u0006N.")]
    public void Load_OtherProtocol_IsRefused(string latin1) =>
        Assert.Throws<CheckpointException>(() => Unpickler.Load(Encoding.Latin1.GetBytes(latin1), "data.pkl"));

    [Fact]
    public void Load_Numbers_AreReadAsPythonReadsThem()
    {
        PickleWriter writer = new PickleWriter().Raw("(K").Raw(200).Raw("M").Raw(1, 2).Raw("J").Raw(254, 255, 255, 255).Raw(0x8a, 0);
        writer.Raw(0x8a, 1, 0xff).Raw(0x8a, 5, 0, 0, 0, 0, 1).Number(long.MinValue).Raw(0x88, 0x89).Raw("Nt.");
        object?[] expected = [200L, 513L, -2L, 0L, -1L, 1L << 32, long.MinValue, true, false, null];
        Assert.Equal(expected, (object?[])Unpickler.Load(writer.Bytes, "data.pkl")!);
    }

    [Fact]
    public void Load_Protocol4_ReadsFramesShortTextsMemoAndStackGlobals()
    {
        PickleWriter writer = new PickleWriter().Raw(0x80, 4, 0x95, 40, 0, 0, 0, 0, 0, 0, 0);
        writer.Raw(0x8c, 11).Raw("collections").Raw(0x94).Raw(0x8c, 11).Raw("OrderedDict").Raw(0x94, 0x93).Raw(")R").Raw(0x94);
        writer.Raw(0x8c, 1).Raw("a").Raw("h").Raw(0).Raw("s}").Raw(0x8c, 9).Raw("_metadata").Raw("Nsb.");
        IReadOnlyDictionary<string, object?> items = Assert.IsType<PickledDictionary>(Unpickler.Load(writer.Bytes, "data.pkl")).Items;
        Assert.Equal("collections", Assert.Single(items).Value);
    }

    [Fact]
    public void Load_Tensor_DescribesItsStorage()
    {
        byte[] pickle = PickleWriter.Dictionary("weight", writer => writer.Tensor("7", [2, 3], [3, 1], "HalfStorage", 4, 10));
        var items = Assert.IsType<PickledDictionary>(Unpickler.Load(pickle, "data.pkl")).Items;
        TorchTensor tensor = Assert.IsType<TorchTensor>(items["weight"]);
        Assert.Equal(new TorchStorage(new TorchStorageType("F16", 2), "7", 10), tensor.Storage);
        Assert.Equal(4, tensor.Offset);
        Assert.Equal([2, 3], tensor.Shape);
        Assert.Equal([3, 1], tensor.Strides);
    }

    [Theory]
    [InlineData(new byte[] { (byte)'}' })]
    [InlineData(new byte[] { (byte)'(' })]
    [InlineData(new byte[] { 0x8a, 0 })]
    [InlineData(new byte[] { (byte)'N', 0x94 })]
    [InlineData(new byte[] { (byte)'N', 0x85 })]
    [InlineData(new byte[] { (byte)'}', 0x8c, 1, (byte)'a', (byte)'N', (byte)'s' })]
    public void Load_PickleOfManyValues_AllocatesInProportionToIt(byte[] unit)
    {
        byte[] pickle = [.. Enumerable.Repeat(unit, Unpickler.LargestPickle / unit.Length).SelectMany(bytes => bytes)];
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<CheckpointException>(() => Unpickler.Load(pickle, "data.pkl"));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 200L * Unpickler.LargestPickle);
        Assert.Contains(
            "expected at most",
            Assert.Throws<CheckpointException>(() => Unpickler.Load(new byte[Unpickler.LargestPickle + 1], "data.pkl")).Message,
            StringComparison.Ordinal);
    }
}
