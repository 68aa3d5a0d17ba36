/** What a project that trains in seconds changes; its models lie beside it (test/ops/tiny_project.py). */
export const TINY_PROJECT = {
  data: { train_size: 12, val_size: 4, num_workers: 0 },
  clip: { model: '../text', max_length: 16 },
  vae: { model: '../vae', image_size: 64 },
  unet: {
    image_size: 8,
    down_block_types: ['DownBlock2D', 'CrossAttnDownBlock2D'],
    up_block_types: ['CrossAttnUpBlock2D', 'UpBlock2D'],
    block_out_channels: [8, 16],
    layers_per_block: 1,
    norm_num_groups: 4,
    cross_attention_dim: 16,
    attention_head_dim: 2,
  },
  training: {
    batch_size: 4,
    num_epochs: 2,
    warmup_steps: 2,
    strategy: 'ddp',
    precision: 'fp32',
    unet_learning_rate: 1e-3,
    checkpoint_steps: 3,
  },
};
