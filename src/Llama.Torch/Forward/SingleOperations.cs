using TorchSharp;
using static TorchSharp.torch;

namespace Llama.Torch.Forward;

/// <summary>
/// The same pass by single calls, for a libtorch that no longer compiles scripts, and to compare with.
/// </summary>
internal sealed class SingleOperations : ILayerOperations
{
    /// <inheritdoc/>
    public string Name => "single";

    /// <inheritdoc/>
    public Tensor Run(Tensor input, Tensor? embedding, Tensor[] layers, StepRows rows, LayerShape shape, OutputRows? head)
    {
        using DisposeScope scope = NewDisposeScope();
        Tensor places = arange(16, device: rows.Blocks.device);
        Tensor slots = ((rows.Blocks.unsqueeze(-1) * 16) + places).view(rows.Blocks.shape[0], -1);
        bool whole = rows.TokensTogether == 0;
        Tensor at = rows.Positions.narrow(0, 0, rows.Cosines.shape[0]);
        Tensor own = whole ? slots[0].index_select(0, at) : slots.gather(1, at.unsqueeze(-1)).squeeze(-1);
        Tensor unseen = arange(slots.shape[1], device: rows.Blocks.device) > (whole ? rows.Positions : at).unsqueeze(-1);
        Tensor mask = zeros(unseen.shape, dtype: layers[LayerTensors.Keys].dtype, device: rows.Blocks.device)
            .masked_fill_(unseen, float.NegativeInfinity);
        if (!whole) mask = mask.unsqueeze(1).unsqueeze(1);
        Tensor x = embedding is null ? input : embedding.index_select(0, input).to(ScalarType.Float32);
        for (int first = 0; first < layers.Length; first += LayerTensors.Count)
            x = Layer(x, layers.AsSpan(first, LayerTensors.Count), rows, own, slots, mask, shape);
        if (head is { } last)
        {
            Tensor h = Norm(x.index_select(0, last.Sampled), last.Norm, shape.NormEps).to(last.Output.dtype);
            x = nn.functional.linear(h, last.Output).to(ScalarType.Float32);
        }

        return x.MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    public void CopyBlock(Tensor[] layers, int source, int target)
    {
        using DisposeScope scope = NewDisposeScope();
        for (int first = 0; first < layers.Length; first += LayerTensors.Count)
        {
            foreach (Tensor pool in layers.AsSpan(first + LayerTensors.Keys, 2))
                pool.narrow(0, target * 16L, 16).copy_(pool.narrow(0, source * 16L, 16));
        }
    }

    private static Tensor Layer(
        Tensor x, ReadOnlySpan<Tensor> w, StepRows rows, Tensor own, Tensor slots, Tensor mask, LayerShape shape)
    {
        using DisposeScope scope = NewDisposeScope();
        int heads = shape.Heads, kv = shape.KvHeads, half = shape.HeadDim / 2;
        long tokens = own.shape[0];
        Tensor h = Norm(x, w[LayerTensors.AttentionNorm], shape.NormEps).to(w[LayerTensors.Qkv].dtype);
        Tensor qkv = Product(h, w[LayerTensors.Qkv], w[LayerTensors.QkvBias]).narrow(0, 0, tokens).to(ScalarType.Float32)
            .view(tokens, heads + (2 * kv), shape.HeadDim);
        Tensor a = qkv.narrow(1, 0, heads + kv).narrow(2, 0, half), b = qkv.narrow(1, 0, heads + kv).narrow(2, half, half);
        Tensor keys = w[LayerTensors.Keys], values = w[LayerTensors.Values];
        Tensor turned = cat([(a * rows.Cosines) - (b * rows.Sines), (b * rows.Cosines) + (a * rows.Sines)], -1).to(keys.dtype);
        keys.index_copy_(0, own, turned.narrow(1, heads, kv).nan_to_num());
        values.index_copy_(0, own, qkv.narrow(1, heads + kv, kv).to(values.dtype).nan_to_num());
        Tensor q = turned.narrow(1, 0, heads);
        Tensor o = (rows.TokensTogether == 0
            ? AttendWhole(nn.functional.pad(q, [0, 0, 0, 0, 0, x.shape[0] - tokens]), keys, values, slots, mask, kv)
            : AttendEach(q, keys, values, slots, mask, kv, rows.TokensTogether)).to(w[LayerTensors.AttentionOutput].dtype);
        if (o.shape[0] < x.shape[0]) o = nn.functional.pad(o, [0, 0, 0, x.shape[0] - tokens]);
        x = x + Product(o, w[LayerTensors.AttentionOutput], w[LayerTensors.AttentionOutputBias]);
        h = Norm(x, w[LayerTensors.FfnNorm], shape.NormEps).to(w[LayerTensors.GateUp].dtype);
        Tensor gateUp = Product(h, w[LayerTensors.GateUp], w[LayerTensors.GateUpBias]);
        long hidden = gateUp.shape[1] / 2;
        Tensor product = nn.functional.silu(gateUp.narrow(1, 0, hidden)) * gateUp.narrow(1, hidden, hidden);
        return (x + Product(product.to(w[LayerTensors.Down].dtype), w[LayerTensors.Down], w[LayerTensors.DownBias])).MoveToOuterDisposeScope();
    }

    /// <summary>Attention of tokens of one sequence, whose keys and values are gathered once.</summary>
    private static Tensor AttendWhole(Tensor q, Tensor keys, Tensor values, Tensor slots, Tensor mask, int kvHeads)
    {
        (long rows, long group, long headDim) = (q.shape[0], q.shape[1] / kvHeads, q.shape[2]);
        Tensor flat = slots.reshape(-1);
        Tensor o = nn.functional.scaled_dot_product_attention(
            q.view(rows, kvHeads, group, headDim).permute(1, 2, 0, 3), Gather(keys), Gather(values), mask);
        return o.permute(2, 0, 1, 3).reshape(rows, kvHeads * group * headDim);

        Tensor Gather(Tensor pool) =>
            pool.index_select(0, flat).permute(1, 0, 2).unsqueeze(1).expand(kvHeads, group, slots.shape[1], headDim);
    }

    /// <summary>Attention of each token over its own sequence, some of them at once.</summary>
    private static Tensor AttendEach(Tensor q, Tensor keys, Tensor values, Tensor slots, Tensor mask, int kvHeads, int together)
    {
        (long tokens, long heads, long headDim) = (q.shape[0], q.shape[1], q.shape[2]);
        q = q.reshape(tokens, kvHeads, heads / kvHeads, headDim);
        var parts = new List<Tensor>();
        for (long i = 0; i < tokens; i += together)
        {
            long count = Math.Min(together, tokens - i);
            parts.Add(Attend(q.narrow(0, i, count), keys, values, slots.narrow(0, i, count), mask.narrow(0, i, count), kvHeads));
        }

        return cat([.. parts], 0).reshape(tokens, heads * headDim);
    }

    private static Tensor Attend(Tensor q, Tensor keys, Tensor values, Tensor slots, Tensor mask, int kvHeads)
    {
        Tensor flat = slots.reshape(-1);
        Tensor k = keys.index_select(0, flat).view(q.shape[0], slots.shape[1], kvHeads, -1).transpose(1, 2);
        Tensor v = values.index_select(0, flat).view(q.shape[0], slots.shape[1], kvHeads, -1).transpose(1, 2);
        return nn.functional.scaled_dot_product_attention(q, k, v, mask);
    }

    private static Tensor Product(Tensor x, Tensor weights, Tensor bias)
    {
        Tensor y = nn.functional.linear(x, weights);
        return bias.NumberOfElements > 0 ? y + bias : y;
    }

    private static Tensor Norm(Tensor x, Tensor weights, double eps) => x * rsqrt(x.square().mean([-1L], true) + eps) * weights;
}
