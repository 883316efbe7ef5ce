using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Files;

public class WrongDownloadTests
{
    private const string Pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 4976698672\n";

    [Theory]
    [InlineData("hf", "model.safetensors")]
    [InlineData("hf", "config.json")]
    [InlineData("hf", "tokenizer.json")]
    [InlineData("hf", "tokenizer.model")]
    [InlineData("hf", "tokenizer_config.json")]
    [InlineData("hf", "generation_config.json")]
    [InlineData("meta", "consolidated.00.pth")]
    [InlineData("meta", "params.json")]
    [InlineData("gguf", "tiny.gguf")]
    public void Open_PointerOrPageInPlaceOfAFile_IsNamed(string format, string file)
    {
        foreach ((string content, string expected) in ((string, string)[])[
            (Pointer, "found a Git LFS pointer, expected the file that it stands for: run `git lfs pull`"),
            ("\n<!DOCTYPE html><html>Entry not found</html>", "found an HTML page"), ("<HTML>", "found an HTML page")])
        {
            using TemporaryFolder folder = format == "gguf" ? new TemporaryFolder() : TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "code-llama", format));
            if (format == "gguf") TinyGguf.Write(folder["tiny.gguf"]);
            File.WriteAllText(folder[file], content);
            string message = Assert.Throws<CheckpointException>(() => Load(folder.Path)).Message;
            Assert.StartsWith($"{folder[file]}: {expected}", message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("hf", "model.safetensors")]
    [InlineData("gguf", "tiny.gguf")]
    [InlineData("meta", "consolidated.00.pth")]
    public void Open_HalfAFile_IsCalledTruncated(string format, string file)
    {
        using TemporaryFolder folder = format == "gguf" ? new TemporaryFolder() : TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "code-llama", format));
        if (format == "gguf") TinyGguf.Write(folder["tiny.gguf"]);
        using (FileStream stream = File.OpenWrite(folder[file])) stream.SetLength(stream.Length / 2);
        string message = Assert.Throws<CheckpointException>(() => Load(folder.Path)).Message;
        Assert.Contains("truncated", message);
        Assert.Contains("download it again", message);
    }

    private static void Load(string path)
    {
        TokenizerLoader.Load(path);
        using Checkpoint checkpoint = CheckpointReading.Open(path);
        CheckpointReading.ReadEverything(checkpoint);
    }
}
