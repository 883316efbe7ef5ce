using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Files;
using Llama.Model.Checkpoints.HuggingFace;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.HuggingFace;

public class SafetensorsFileTests
{
    private const string A = """ "a":{"dtype":"F16","shape":[2,3],"data_offsets":[0,12]} """;

    [Fact]
    public void Find_Tensor_HasItsTypeAndShape()
    {
        using var folder = new TemporaryFolder();
        const string B = """ "b":{"shape":[],"dtype":"I64","data_offsets":[12,20]} """;
        SafetensorsWriter.Write(folder["a"], $$$"""{"__metadata__":{"format":"pt"},{{{A}}},{{{B}}}}   """, 20);
        using var file = new SafetensorsFile(folder["a"]);
        StoredTensor a = file.Find("a")!, b = file.Find("b")!;
        Assert.Equal("F16", a.TypeName);
        Assert.Equal([2, 3], a.Shape);
        Assert.Equal(12, b.Data - a.Data);
        Assert.Contains("tensor b: found type I64, expected F32, F16 or BF16", Assert.Throws<CheckpointException>(() => b.Type).Message);
        Assert.Null(file.Find("__metadata__"));
    }

    [Theory]
    [InlineData("", "not valid JSON")]
    [InlineData("[]", "not a JSON object")]
    [InlineData("{} x", "not valid JSON")]
    [InlineData("{A", "not valid JSON")]
    [InlineData("{A,A}", "found tensor a twice")]
    [InlineData("{\"a\":1}", "tensor a described by something other")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[6]}}", "tensor a: expected dtype, shape and two ascending data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[12,0]}}", "two ascending data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,6,12]}}", "two ascending data_offsets")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[-6],\"data_offsets\":[0,12]}}", "shape: expected a list of at most 8 whole numbers")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[1,1,1,1,1,1,1,1,6],\"data_offsets\":[0,12]}}", "shape: expected a list of at most 8")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[6],\"data_offsets\":[0,12],\"x\":1}}", "found field x")]
    [InlineData("{\"a\":{\"dtype\":16,\"shape\":[6],\"data_offsets\":[0,12]}}", "found field dtype")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[7],\"data_offsets\":[0,12]}}", "found 12 bytes, expected F16 [7]")]
    [InlineData("{\"a\":{\"dtype\":\"F32\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,12]}}", "expected F32 [4294967296, 4294967296]")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[100],\"data_offsets\":[0,200]}}", "but the file ends at byte")]
    [InlineData("{\"a\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[9223372036854775805,9223372036854775807]}}", "but the file ends at byte")]
    [InlineData("{A,\"b\":{\"dtype\":\"F16\",\"shape\":[1],\"data_offsets\":[10,12]}}", "tensor b: begins at 10, within another that ends at 12")]
    [InlineData("{\"\\ud800\":1}", "not valid JSON")]
    public void Open_DamagedHeader_IsRefused(string header, string expected)
    {
        using var folder = new TemporaryFolder();
        SafetensorsWriter.Write(folder["a.safetensors"], header.Replace("A", A.Trim(), StringComparison.Ordinal), 20);
        string message = Assert.Throws<CheckpointException>(() => new SafetensorsFile(folder["a.safetensors"])).Message;
        Assert.Contains("a.safetensors: ", message);
        Assert.Contains(expected, message);
    }

    [Theory]
    [InlineData(new byte[] { }, "is empty")]
    [InlineData(new byte[] { 1, 0, 0 }, "ends at byte 3, but the header's length takes 8 bytes")]
    [InlineData(new byte[] { 100, 0, 0, 0, 0, 0, 0, 0, 1 }, "ends at byte 9, but the header takes 100 bytes")]
    [InlineData(new byte[] { 255, 255, 255, 255, 255, 255, 255, 255, 1 }, "found a header of 18446744073709551615 bytes, expected at most 8388608")]
    public void Open_HeaderBeyondTheFile_IsRefused(byte[] bytes, string expected)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["a"], bytes);
        Assert.Contains(expected, Assert.Throws<CheckpointException>(() => new SafetensorsFile(folder["a"])).Message);
    }
}
