using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Files;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Files;

public class MappedFileTests
{
    [Fact]
    public void Span_WithinTheFile_IsItsBytes()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["a"], [1, 2, 3, 4, 5]);
        using var file = new MappedFile(folder["a"]);
        Assert.Equal(5, file.Length);
        Assert.Equal([3, 4, 5], file.Span(2, 3, "all").ToArray());
        Assert.Equal(0, file.Span(5, 0, "nothing").Length);
    }

    [Theory]
    [InlineData(0, 6)]
    [InlineData(5, 1)]
    [InlineData(6, 0)]
    [InlineData(-1, 1)]
    [InlineData(1, -1)]
    [InlineData(long.MaxValue, 1)]
    public void Span_BeyondTheFile_SaysWhatWasAskedFor(long offset, int length)
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["a"], [1, 2, 3, 4, 5]);
        using var file = new MappedFile(folder["a"]);
        string message = Assert.Throws<CheckpointException>(() => file.Span(offset, length, "the header")).Message;
        Assert.Contains($"the file ends at byte 5, but the header takes {length} bytes from byte {offset}", message);
        Assert.Throws<CheckpointException>(() => file.Address(offset, length, "the header"));
    }

    [Fact]
    public void Open_MissingEmptyOrFolder_IsRefused()
    {
        using var folder = new TemporaryFolder();
        File.WriteAllBytes(folder["empty"], []);
        Assert.Contains("empty: the file is empty", Refusal(folder["empty"]));
        Assert.Contains("none: the file is missing", Refusal(folder["none"]));
        Assert.Contains("cannot be mapped", Refusal(folder.Path));
    }

    private static string Refusal(string path) => Assert.Throws<CheckpointException>(() => new MappedFile(path)).Message;
}
