using Llama.Torch.Forward;
using Llama.Torch.Native;
using TorchSharp;

namespace Llama.Torch.Tests;

/// <summary>libtorch on the processor, loaded once.</summary>
internal static class TestPlace
{
    /// <summary>A pass as one script.</summary>
    public static ILayerOperations Scripted { get; } = Load();

    /// <summary>Both ways to compute a pass.</summary>
    public static IReadOnlyList<ILayerOperations> Operations { get; } = [Scripted, new SingleOperations()];

    /// <summary>A place with one thread.</summary>
    public static Place With(ILayerOperations operations, int rows = 32, bool repeatsShapes = false) => new(torch.CPU, 1, rows, operations, repeatsShapes);

    private static ScriptedOperations Load()
    {
        LibTorch.Load(AppContext.BaseDirectory);
        return ScriptedOperations.Instance!;
    }
}
