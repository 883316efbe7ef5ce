using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Gguf;

public sealed class GgufPartsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Open_Parts_ReadsAllFromAnyOfThemOrTheFolder()
    {
        string[] parts = TinyGguf.WriteParts(folder, 3);
        using var single = new TemporaryFolder();
        using Checkpoint expected = CheckpointReading.Open(TinyGguf.Write(single["tiny.gguf"]));
        foreach (string path in (string[])[.. parts, folder.Path])
        {
            using Checkpoint checkpoint = CheckpointReading.Open(path);
            Assert.Equal(CheckpointReading.ReadEverything(expected), CheckpointReading.ReadEverything(checkpoint));
            Assert.False(checkpoint.Config.TiedEmbeddings);
        }
    }

    [Fact]
    public void Open_PartMissing_ReadsTheOthersAndNamesIt()
    {
        string[] parts = TinyGguf.WriteParts(folder, 3);
        File.Delete(parts[1]);
        using Checkpoint checkpoint = CheckpointReading.Open(parts[0]);
        checkpoint.OpenMatrix(TensorNames.TokenEmbeddings, 40, 32);
        checkpoint.OpenMatrix(TensorNames.Output, 40, 32);
        string message = Assert.Throws<CheckpointException>(() => checkpoint.OpenMatrix(TensorNames.Wo(0), 32, 32)).Message;
        Assert.EndsWith("missing are tiny-00002-of-00003.gguf", message, StringComparison.Ordinal);

        File.Delete(parts[0]);
        Assert.Equal($"{parts[0]}: the file is missing", CheckpointReading.Refusal(folder.Path));
    }

    [Fact]
    public void Open_PartsThatContradictTheirNames_AreRefused()
    {
        string[] parts = TinyGguf.WriteParts(folder, 3);
        File.Copy(parts[2], parts[1], overwrite: true);
        Assert.Contains("split.no: found 2, expected 1", CheckpointReading.Refusal(parts[0]));
        File.Move(parts[0], folder["tiny.gguf"]);
        Assert.Contains("split.count: found 3, expected 1, as the file's name says", CheckpointReading.Refusal(folder["tiny.gguf"]));
    }

    [Fact]
    public void Open_FolderOfSeveralModels_NamesThem()
    {
        TinyGguf.Write(folder["a.gguf"]);
        TinyGguf.Write(folder["b.gguf"]);
        Assert.Contains("found 2 GGUF models, expected one, or the path of one: a.gguf, b.gguf", CheckpointReading.Refusal(folder.Path));
    }

    [Fact]
    public void NameOf_Path_IsFolderOrFileWithoutExtensionAndPart()
    {
        Assert.Equal("tiny", Checkpoint.NameOf(TinyGguf.WriteParts(folder, 2)[0]));
        Assert.Equal("Llama-3.2-1B.Q8_0", GgufPaths.NameOf("/models/Llama-3.2-1B.Q8_0.gguf"));
        Assert.Equal(Path.GetFileName(folder.Path), Checkpoint.NameOf(folder.Path + Path.DirectorySeparatorChar));
    }
}
