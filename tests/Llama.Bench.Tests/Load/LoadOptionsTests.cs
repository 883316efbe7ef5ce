using System.ComponentModel.DataAnnotations;
using Llama.Bench.Load;
using Llama.Grains.Settings;

namespace Llama.Bench.Tests.Load;

public class LoadOptionsTests
{
    [Theory]
    [InlineData("http://127.0.0.1:8080", "http://127.0.0.1:8080/")]
    [InlineData("http://127.0.0.1:8080/v1/", "http://127.0.0.1:8080/")]
    [InlineData("https://host/llama", "https://host/llama/")]
    public void Address_Url_IsWhatThePathsAreRelativeTo(string url, string expected) =>
        Assert.Equal(expected, new LoadOptions { Url = url }.Address.ToString());

    [Fact]
    public void Validate_OptionsThatContradict_AreNamed()
    {
        var prefix = new LoadOptions { Prompt = 10, SharedPrefix = 11 };
        Assert.Equal(["SharedPrefix", "Prompt"], Assert.Single(prefix.Validate(new ValidationContext(prefix))).MemberNames);
        var rate = new LoadOptions { Rate = 2, Clients = 3 };
        Assert.Equal(["Rate", "Clients"], Assert.Single(rate.Validate(new ValidationContext(rate))).MemberNames);
        Assert.Empty((rate with { Clients = 1 }).Validate(new ValidationContext(rate)));
    }

    [Fact]
    public void Read_CommandLine_SetsAll()
    {
        LoadOptions options = SettingsReader.Read<LoadOptions>(
            ["--url=http://h:1", "--requests=9", "--prompt=5", "--generate=6", "--rate=0.5", "--shared-prefix=4", "--timeout=7", "--json"]).Options!;
        Assert.Equal(
            new LoadOptions
            {
                Url = "http://h:1", Requests = 9, Prompt = 5, Generate = 6, Rate = 0.5f, SharedPrefix = 4, Timeout = TimeSpan.FromSeconds(7), Json = true,
            },
            options);
    }
}
