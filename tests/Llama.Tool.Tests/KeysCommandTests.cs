using Llama.Grains.Keys;
using Llama.Tests;

namespace Llama.Tool.Tests;

public sealed class KeysCommandTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    private string File => folder["keys.json"];

    public void Dispose() => folder.Dispose();

    [Fact]
    public void AddListRevoke_AKey_IsThereUntilItIsRevoked()
    {
        using var added = new StringWriter();
        var options = new AddKeyOptions { File = File, Name = "ann", RequestsPerMinute = 60, Priority = -1 };
        KeysCommand.Add(options, TimeProvider.System, added);
        string key = added.ToString().Split('\n')[1].Trim();
        ApiKey kept = Assert.Single(ApiKeyFile.Read(File));
        Assert.Equal((ApiKey.HashOf(key), 60, -1), (kept.Sha256, kept.RequestsPerMinute, kept.Priority));

        using var listed = new StringWriter();
        KeysCommand.List(new KeyFileOptions { File = File }, listed);
        Assert.Contains("ann  (60 requests/min, priority at least -1)", listed.ToString(), StringComparison.Ordinal);
        Assert.DoesNotContain(key, listed.ToString(), StringComparison.Ordinal);

        Assert.Throws<InvalidDataException>(() => KeysCommand.Revoke(new RevokeKeyOptions { File = File, Id = "x" }, TextWriter.Null));
        KeysCommand.Revoke(new RevokeKeyOptions { File = File, Id = kept.Id }, TextWriter.Null);
        Assert.Empty(ApiKeyFile.Read(File));
    }
}
