using Llama.Model.Checkpoints;
using Llama.Model.Checkpoints.Gguf;
using Llama.Model.Tokenization;
using Llama.Model.Weights;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints.Gguf;

/// <summary>Damaged files are refused or read, and never more: no other exception, no crash, no unbounded memory.</summary>
public sealed class GgufMutationTests : IDisposable
{
    private const long MostAllocated = 64 << 20;

    private readonly TemporaryFolder folder = new();
    private readonly byte[] original;
    private readonly int headerBytes;

    public GgufMutationTests()
    {
        string file = TinyGguf.Convert(folder, TestPaths.TinyStories, ElementType.Q8_0);
        original = File.ReadAllBytes(file);
        using var gguf = new GgufFile(file);
        headerBytes = (int)gguf.DataStart;
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void Open_MutatedHeader_IsRefusedOrRead()
    {
        var random = new Random(20_240_608);
        int refused = 0;
        for (int attempt = 0; attempt < 400; attempt++)
        {
            byte[] mutated = (byte[])original.Clone();
            for (int i = random.Next(1, 6); i > 0; i--)
            {
                // Half of them where the keys are, before the long arrays of the tokenizer, or in the tensors' descriptions after them.
                int at = random.Next(3) switch
                {
                    0 => random.Next(1500),
                    1 => headerBytes - 1 - random.Next(4000),
                    _ => random.Next(headerBytes),
                };
                if (random.Next(2) == 0) mutated[at] ^= (byte)(1 << random.Next(8));
                else mutated.AsSpan(at, random.Next(1, 9)).Fill((byte)(random.Next(2) * 255));
            }

            if (IsRefused(mutated)) refused++;
        }

        Assert.InRange(refused, 100, 400);
    }

    [Fact]
    public void Open_CutOff_IsRefused()
    {
        int step = original.Length / 80;
        foreach (int length in Enumerable.Range(0, 40).Concat(Enumerable.Range(1, 79).Select(i => i * step)).Append(original.Length - 33))
            Assert.True(IsRefused(original[..length]), $"cut off after {length} bytes");
    }

    private bool IsRefused(byte[] bytes)
    {
        string file = folder["mutated.gguf"];
        File.WriteAllBytes(file, bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool refused = false;
        try
        {
            using Checkpoint checkpoint = CheckpointReading.Open(file);
            CheckpointReading.ReadEverything(checkpoint);
        }
        catch (CheckpointException)
        {
            refused = true;
        }

        try
        {
            TokenizerLoader.Load(file)?.Encode("Once upon a time, there was a mutation.");
        }
        catch (CheckpointException)
        {
            refused = true;
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocated);
        return refused;
    }
}
