using Llama.Model.Checkpoints;
using Llama.Tests;

namespace Llama.Model.Tests.Checkpoints;

/// <summary>Damaged files are refused or read, and never more: no other exception, no crash, no unbounded memory.</summary>
public class MutationTests
{
    private const long MostAllocated = 64 << 20;

    [Theory]
    [InlineData("meta", "consolidated.00.pth", 150)]
    [InlineData("meta", "consolidated.01.pth", 50)]
    [InlineData("meta", "params.json", 150)]
    [InlineData("hf", "model-00001-of-00002.safetensors", 150)]
    [InlineData("hf", "model.safetensors.index.json", 100)]
    [InlineData("hf", "config.json", 150)]
    public void Open_MutatedFile_IsRefusedOrRead(string format, string name, int attempts)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-1", format));
        byte[] original = File.ReadAllBytes(folder[name]);
        var random = new Random(20_240_607);
        int refused = 0;
        for (int attempt = 0; attempt < attempts; attempt++)
        {
            File.WriteAllBytes(folder[name], Mutate(original, random));
            if (IsRefused(folder.Path)) refused++;
        }

        // Some mutations hit weights or spaces; a reader that accepts everything checks nothing.
        Assert.InRange(refused, attempts / 10, attempts);
    }

    [Theory]
    [InlineData("meta", "consolidated.00.pth")]
    [InlineData("meta", "consolidated.01.pth")]
    [InlineData("meta", "params.json")]
    [InlineData("hf", "model-00001-of-00002.safetensors")]
    [InlineData("hf", "model.safetensors.index.json")]
    [InlineData("hf", "config.json")]
    public void Open_CutOffFile_IsRefused(string format, string name)
    {
        using TemporaryFolder folder = TemporaryFolder.CopyOf(Path.Combine(TestPaths.Fixtures, "llama-1", format));
        byte[] original = File.ReadAllBytes(folder[name]);
        int step = Math.Max(1, original.Length / 60);
        foreach (int length in Enumerable.Range(0, 12).Concat(Enumerable.Range(1, 60).Select(i => original.Length - (i * step) + step - 1)))
        {
            if (length < 0 || length >= original.Length) continue;
            File.WriteAllBytes(folder[name], original.AsSpan(0, length));
            Assert.True(IsRefused(folder.Path), $"{name} cut off after {length} bytes");
        }
    }

    private static byte[] Mutate(byte[] original, Random random)
    {
        byte[] mutated = (byte[])original.Clone();
        for (int i = random.Next(1, 6); i > 0; i--)
        {
            // The structure of a weight file lies in its first and last kilobytes.
            int at = random.Next(3) switch
            {
                0 => random.Next(Math.Min(3000, mutated.Length)),
                1 => mutated.Length - 1 - random.Next(Math.Min(5000, mutated.Length)),
                _ => random.Next(mutated.Length),
            };
            switch (random.Next(4))
            {
                case 0:
                    mutated[at] = (byte)random.Next(256);
                    break;
                case 1:
                    mutated[at] ^= (byte)(1 << random.Next(8));
                    break;
                case 2:
                    mutated.AsSpan(at, Math.Min(random.Next(1, 9), mutated.Length - at)).Fill((byte)(random.Next(2) * 255));
                    break;
                default:
                    int from = random.Next(mutated.Length), count = Math.Min(random.Next(1, 40), mutated.Length - Math.Max(at, from));
                    mutated.AsSpan(from, count).CopyTo(mutated.AsSpan(at));
                    break;
            }
        }

        return mutated;
    }

    private static bool IsRefused(string folder)
    {
        long before = GC.GetAllocatedBytesForCurrentThread();
        bool refused = false;
        try
        {
            using Checkpoint checkpoint = CheckpointReading.Open(folder);
            CheckpointReading.ReadEverything(checkpoint);
        }
        catch (CheckpointException)
        {
            refused = true;
        }

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, MostAllocated);
        return refused;
    }
}
