using Llama.Grains.Settings;
using Llama.Tests;

namespace Llama.Grains.Tests.Settings;

public sealed class OptionRulesTests
{
    [Theory]
    [InlineData("http://127.0.0.1:8080", true)]
    [InlineData("https://gateway.example.org/", true)]
    [InlineData("ftp://gateway", false)]
    [InlineData("127.0.0.1:8080", false)]
    [InlineData("/gateway", false)]
    public void HttpUrl_Text_MustBeAbsolute(string text, bool expected) => Assert.Equal(expected, new HttpUrlAttribute().IsValid(text));

    [Theory]
    [InlineData(PortRule.None, true, false)]
    [InlineData(PortRule.Optional, true, true)]
    [InlineData(PortRule.Required, false, true)]
    public void HostPort_Rule_DecidesAboutThePort(PortRule rule, bool without, bool with)
    {
        var attribute = new HostPortAttribute(rule);

        Assert.Equal(without, attribute.IsValid("node-7"));
        Assert.Equal(with, attribute.IsValid("node-7:9000"));
        Assert.False(attribute.IsValid("no host"));
        Assert.True(attribute.IsValid(null));
    }

    [Fact]
    public void ExistingCheckpoint_Path_MustBeAFolderOrAGgufFile()
    {
        using var folder = new TemporaryFolder();
        string file = folder.Write("file", "");
        var attribute = new ExistingCheckpointAttribute();

        Assert.True(attribute.IsValid(folder.Write("model.gguf", "")));
        Assert.False(attribute.IsValid(Path.Combine(folder.Path, "none.gguf")));

        Assert.True(attribute.IsValid(folder.Path));
        Assert.False(attribute.IsValid(file));
        Assert.False(attribute.IsValid(Path.Combine(folder.Path, "nothing")));
    }

    [Fact]
    public void CoreList_Text_MustNameEachCoreOnce()
    {
        var attribute = new CoreListAttribute();

        Assert.True(attribute.IsValid(null));
        Assert.True(attribute.IsValid("0-3,6"));
        Assert.False(attribute.IsValid("0-3,2"));
        Assert.Equal("a list of cores like 0-3,6, each once, from 0 to 8191", attribute.FormatErrorMessage("--cores"));
    }

    [Theory]
    [InlineData("f32", true)]
    [InlineData("F16", true)]
    [InlineData("q8_0", true)]
    [InlineData("bf16", true)]
    [InlineData("q4_0", false)]
    [InlineData("", false)]
    public void KvType_Name_MustBeOneThatKeysAndValuesCanHave(string name, bool expected)
    {
        Assert.Equal(expected, new KvTypeAttribute().IsValid(name));
        Assert.Equal("one of f32, f16, bf16, q8_0", new KvTypeAttribute().FormatErrorMessage("--kv-type"));
    }

    [Theory]
    [InlineData("q4_k", true, true)]
    [InlineData("Q8_0", true, true)]
    [InlineData("q6_k", true, true)]
    [InlineData("q2_k", false, true)]
    [InlineData("q9", false, false)]
    public void WeightType_Name_MustBeOneThatCanBeWrittenOrRead(string name, bool writable, bool readable)
    {
        Assert.Equal(writable, new WeightTypeAttribute(writable: true).IsValid(name));
        Assert.Equal(readable, new WeightTypeAttribute(writable: false).IsValid(name));
        Assert.Equal("one of f32, f16, bf16, q8_0, q4_0, q4_k, q5_k, q6_k, q4_k_m, q5_k_m", new WeightTypeAttribute(writable: true).FormatErrorMessage("--weights"));
    }
}
