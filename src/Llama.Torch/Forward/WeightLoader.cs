using System.Buffers;
using Llama.Model;
using Llama.Model.Checkpoints;
using Llama.Model.Kernels;
using Llama.Model.Weights;
using Llama.Model.Weights.Quantization;
using Llama.Torch.Native;
using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>
/// Brings weights from a checkpoint to the device in pieces, converted to the type that they are computed with. A matrix that has been brought is
/// given back to the checkpoint, so the host never holds more than one beside what the device has.
/// </summary>
internal sealed unsafe class WeightLoader : IDisposable
{
    private const long PieceBytes = 32L << 20;

    private readonly Checkpoint checkpoint;
    private readonly ModelConfig config;
    private readonly Place place;
    private readonly ElementType type;
    private readonly Tensor piece;

    /// <summary>A loader for some tensors of a checkpoint.</summary>
    public WeightLoader(Checkpoint checkpoint, Place place)
    {
        this.checkpoint = checkpoint;
        this.place = place;
        config = checkpoint.Config;
        type = Place.ComputedType(checkpoint.WeightType);
        long widest = Math.Max(config.HiddenDim, Math.Max(config.Dim, config.QueryDim));
        long largest = Math.Max((long)config.VocabSize * config.Dim, widest * widest);
        piece = place.AllocateHost(Place.TypeOf(type), Math.Max(Math.Min(PieceBytes / type.BlockBytes(), largest), widest));
    }

    /// <summary>A layer's tensors but for its pools.</summary>
    /// <exception cref="CheckpointException">One is missing or of another shape.</exception>
    public Tensor[] LoadLayer(int layer)
    {
        var tensors = new Tensor[LayerTensors.Count];
        try
        {
            tensors[LayerTensors.AttentionNorm] = LoadVector(TensorNames.AttentionNorm(layer));
            (tensors[LayerTensors.Qkv], tensors[LayerTensors.QkvBias]) = LoadProduct(
                config.Dim, (TensorNames.Wq(layer), config.QueryDim), (TensorNames.Wk(layer), config.KvDim), (TensorNames.Wv(layer), config.KvDim));
            (tensors[LayerTensors.AttentionOutput], tensors[LayerTensors.AttentionOutputBias]) =
                LoadProduct(config.QueryDim, (TensorNames.Wo(layer), config.Dim));
            tensors[LayerTensors.FfnNorm] = LoadVector(TensorNames.FfnNorm(layer));
            (tensors[LayerTensors.GateUp], tensors[LayerTensors.GateUpBias]) =
                LoadProduct(config.Dim, (TensorNames.W1(layer), config.HiddenDim), (TensorNames.W3(layer), config.HiddenDim));
            (tensors[LayerTensors.Down], tensors[LayerTensors.DownBias]) = LoadProduct(config.HiddenDim, (TensorNames.W2(layer), config.Dim));
            return tensors;
        }
        catch
        {
            foreach (Tensor? tensor in tensors) tensor?.Dispose();
            throw;
        }
    }

    /// <summary>A matrix, on the device.</summary>
    /// <exception cref="CheckpointException">It is missing or of another shape.</exception>
    public Tensor LoadMatrix(string name, int rows, int columns) => LoadJoined(columns, (name, rows));

    /// <summary>A vector of the width of the hidden states, on the device, in single precision.</summary>
    /// <exception cref="CheckpointException">It is missing or of another shape.</exception>
    public Tensor LoadVector(string name) => tensor(checkpoint.ReadVector(name, config.Dim), dtype: ScalarType.Float32, device: place.Device);

    /// <inheritdoc/>
    public void Dispose() => piece.Dispose();

    private (Tensor Weights, Tensor Bias) LoadProduct(int columns, params ReadOnlySpan<(string Name, int Rows)> parts)
    {
        Tensor weights = LoadJoined(columns, parts);
        try
        {
            return (weights, LoadBias(parts));
        }
        catch
        {
            weights.Dispose();
            throw;
        }
    }

    /// <summary>The biases of joined matrices; those of matrices without one are zeros, and where none has one it is empty.</summary>
    private Tensor LoadBias(ReadOnlySpan<(string Name, int Rows)> parts)
    {
        var joined = new List<float>();
        bool any = false;
        foreach ((string name, int rows) in parts)
        {
            float[]? bias = checkpoint.ReadBias(name, rows);
            any |= bias is not null;
            for (int row = 0; row < rows; row++) joined.Add(bias?[SourceRow(name, row)] ?? 0);
        }

        return tensor(any ? joined.ToArray() : [], dtype: ScalarType.Float32, device: place.Device);
    }

    private Tensor LoadJoined(int columns, params ReadOnlySpan<(string Name, int Rows)> parts)
    {
        long all = 0;
        foreach ((_, int rows) in parts) all += rows;
        Tensor target = empty(all, columns, dtype: Place.TypeOf(type), device: place.Device);
        try
        {
            long at = 0;
            foreach ((string name, int rows) in parts)
            {
                WeightMatrix matrix = checkpoint.OpenMatrix(name, rows, columns);
                int most = (int)Math.Max(1, PieceBytes / type.Bytes(columns));
                for (int first = 0; first < rows; first += most)
                {
                    int count = Math.Min(most, rows - first);
                    Convert(matrix, first, count);
                    using DisposeScope scope = NewDisposeScope();
                    Tensor converted = piece.narrow(0, 0, (long)count * columns).view(count, columns);
                    target.narrow(0, at + first, count).copy_(converted);
                }

                checkpoint.Release(matrix.Name);
                at += rows;
            }

            return target;
        }
        catch
        {
            target.Dispose();
            throw;
        }
    }

    /// <summary>Writes some rows, as they are computed with, to the piece.</summary>
    private void Convert(WeightMatrix matrix, int first, int count)
    {
        byte* target = TorchNative.Pointer(piece);
        long rowBytes = type.Bytes(matrix.Columns);
        Parallel.For(0, count, i =>
        {
            int row = SourceRow(matrix.Name, first + i);
            byte* converted = target + (i * rowBytes);
            if (matrix.Type == type)
            {
                Buffer.MemoryCopy(matrix.Row(row), converted, rowBytes, rowBytes);
                return;
            }

            float[] floats = ArrayPool<float>.Shared.Rent(matrix.Columns);
            fixed (float* elements = floats)
            {
                MatrixProduct.ReadRow(matrix, row, elements);
                RowQuantizer.Quantize(type, elements, converted, matrix.Columns);
            }

            ArrayPool<float>.Shared.Return(floats);
        });
    }

    /// <summary>
    /// Where a row of queries or keys lies in the checkpoint: the two elements of a pair are half a head apart here, whatever they are there.
    /// </summary>
    private int SourceRow(string name, int row)
    {
        if (config.RotaryLayout == RotaryLayout.Halves || name.Length == 0 || !TensorNames.IsRotated(name)) return row;
        (int head, int element) = Math.DivRem(row, config.HeadDim);
        int half = config.HeadDim / 2;
        return (head * config.HeadDim) + (element < half ? 2 * element : (2 * (element - half)) + 1);
    }
}
