using System.Text;
using Llama.Grains.Keys;
using Llama.Tests;

namespace Llama.Grains.Tests.Keys;

public sealed class ApiKeyFileTests : IDisposable
{
    private static readonly DateTimeOffset Now = DateTimeOffset.FromUnixTimeSeconds(1_800_000_000);

    private readonly TemporaryFolder folder = new();

    private string Path => folder["keys.json"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Change_AddedKeys_AreReadBackAndTheFileHasNoneOfThem()
    {
        ApiKey ann = ApiKey.Create("ann", Now, out string key) with { RequestsPerMinute = 5, Priority = -1 };
        ApiKey bob = ApiKey.Create("bob", Now, out string other);
        ApiKeyFile.Change(Path, keys => [.. keys, ann]);
        ApiKeyFile.Change(Path, keys => [.. keys, bob]);

        Assert.Equal([ann, bob], ApiKeyFile.Read(Path));
        Assert.Equal(ann.Sha256, ApiKey.HashOf(key));
        Assert.NotEqual(key, other);
        Assert.DoesNotContain(key["sk-llama-".Length..], File.ReadAllText(Path), StringComparison.Ordinal);
        if (!OperatingSystem.IsWindows()) Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(Path));
    }

    [Fact]
    public async Task Change_ManyAtOnce_LosesNone()
    {
        await Task.WhenAll(Enumerable.Range(0, 8).Select(i => Task.Run(
            () => ApiKeyFile.Change(Path, keys => [.. keys, ApiKey.Create($"{i}", Now, out _)]), TestContext.Current.CancellationToken)));
        Assert.Equal(8, ApiKeyFile.Read(Path).Count);
    }

    [Theory]
    [InlineData("", "is no file of keys")]
    [InlineData("[]", "is no file of keys")]
    [InlineData("""{"keys":[{"id":"a"}]}""", "is no file of keys")]
    [InlineData("""{"keys":null}""", "is no file of keys")]
    [InlineData("""{"keys":[],"more":1}""", "is no file of keys")]
    [InlineData("""{"keys":[{"id":"a","name":"n","sha256":"00","created":"2026-01-01T00:00:00Z"}]}""", "Key a has no SHA-256")]
    public void Parse_WhatIsNoFileOfKeys_IsRefused(string text, string message) => Assert.Contains(
        message, Assert.Throws<InvalidDataException>(() => ApiKeyFile.Parse("f", Encoding.UTF8.GetBytes(text))).Message, StringComparison.Ordinal);

    [Fact]
    public void Parse_LimitBelowOne_IsRefused()
    {
        ApiKeyFile.Change(Path, before => [ApiKey.Create("ann", Now, out _) with { TokensPerMinute = 0 }]);
        Assert.Contains("a limit below 1", Assert.Throws<InvalidDataException>(() => ApiKeyFile.Read(Path)).Message, StringComparison.Ordinal);
    }
}
