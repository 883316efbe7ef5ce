using Llama.Model.Checkpoints;
using Llama.Model.Tests.Checkpoints.HuggingFace;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

public class FileCheckpointTests
{
    [Theory]
    [InlineData("F32", new byte[] { 0, 0, 0xc0, 0x3f, 0, 0, 0, 0xc0, 0, 0, 0, 0, 0, 0, 0x80, 0x7f })]
    [InlineData("F16", new byte[] { 0, 0x3e, 0, 0xc0, 0, 0, 0, 0x7c })]
    [InlineData("BF16", new byte[] { 0xc0, 0x3f, 0, 0xc0, 0, 0, 0x80, 0x7f })]
    public void ReadVector_EveryStoredType_IsTheNumbersThatTheBytesStandFor(string type, byte[] stored)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "code-llama", "hf"));
        string header = $$$"""{"model.norm.weight":{"dtype":"{{{type}}}","shape":[4],"data_offsets":[0,{{{stored.Length}}}]}}""";
        SafetensorsWriter.Write(folder["model.safetensors"], header, stored.Length);
        using (FileStream stream = File.OpenWrite(folder["model.safetensors"]))
        {
            stream.Position = stream.Length - stored.Length;
            stream.Write(stored);
        }

        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        Assert.Equal([1.5f, -2f, 0f, float.PositiveInfinity], checkpoint.ReadVector(TensorNames.Norm, 4));
    }

    [Fact]
    public void Release_EveryMatrix_LeavesLittleOfTheFilesInMemory()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "only Linux says what is in memory");
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-2-gqa", "hf"));
        using Checkpoint checkpoint = CheckpointReading.Open(folder.Path);
        string[] files = [.. Directory.GetFiles(folder.Path).Where(file => Path.GetExtension(file) == ".safetensors")];
        long all = files.Sum(file => new FileInfo(file).Length);
        CheckpointReading.ReadEverything(checkpoint);
        Assert.InRange(files.Sum(ResidentMemory.OfFile), all * 9 / 10, long.MaxValue);

        foreach ((string matrix, _, _) in CheckpointReading.Matrices(checkpoint.Config)) ((FileCheckpoint)checkpoint).Release(matrix);

        Assert.InRange(files.Sum(ResidentMemory.OfFile), 0, all / 4);
    }

    [Fact]
    public void Release_EveryMatrix_CanBeOpenedAgain()
    {
        using Checkpoint checkpoint = CheckpointReading.Open(Path.Combine(TestPaths.Fixtures, "llama-1", "meta"));
        long sum = CheckpointReading.ReadEverything(checkpoint);
        foreach ((string matrix, _, _) in CheckpointReading.Matrices(checkpoint.Config)) ((FileCheckpoint)checkpoint).Release(matrix);
        Assert.Equal(sum, CheckpointReading.ReadEverything(checkpoint));
    }
}
