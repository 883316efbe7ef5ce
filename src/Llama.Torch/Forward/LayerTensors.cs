using TorchSharp;

namespace Llama.Torch.Forward;

/// <summary>
/// The tensors of one layer in the order that <see cref="ILayerOperations"/> takes them in: a range's layers lie behind each other in one array,
/// which a script gets as a list. Rotated rows are in halves, whatever the checkpoint's order. A bias is empty where the model has none.
/// </summary>
internal static class LayerTensors
{
    /// <summary>RMSNorm before attention, <c>[dim]</c>, single precision.</summary>
    public const int AttentionNorm = 0;

    /// <summary>Queries, keys and values, <c>[queryDim + 2 × kvDim, dim]</c>.</summary>
    public const int Qkv = 1;

    /// <summary>Their bias, single precision.</summary>
    public const int QkvBias = 2;

    /// <summary>Attention output, <c>[dim, queryDim]</c>.</summary>
    public const int AttentionOutput = 3;

    /// <summary>Its bias, single precision.</summary>
    public const int AttentionOutputBias = 4;

    /// <summary>RMSNorm before the feed-forward layer, <c>[dim]</c>, single precision.</summary>
    public const int FfnNorm = 5;

    /// <summary>Feed-forward gate and up, <c>[2 × hiddenDim, dim]</c>.</summary>
    public const int GateUp = 6;

    /// <summary>Their bias, single precision.</summary>
    public const int GateUpBias = 7;

    /// <summary>Feed-forward down, <c>[dim, hiddenDim]</c>.</summary>
    public const int Down = 8;

    /// <summary>Its bias, single precision.</summary>
    public const int DownBias = 9;

    /// <summary>Pool of keys, <c>[blocks × 16, kvHeads, headDim]</c>.</summary>
    public const int Keys = 10;

    /// <summary>Pool of values, as the keys.</summary>
    public const int Values = 11;

    /// <summary>Tensors of a layer.</summary>
    public const int Count = 12;

    /// <summary>Bytes of a tensor.</summary>
    public static long Bytes(this torch.Tensor tensor) => tensor.NumberOfElements * tensor.ElementSize;
}
