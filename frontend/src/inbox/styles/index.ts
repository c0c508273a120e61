import { bell } from './bell';
import { list } from './list';
import { panel } from './panel';
import { theme } from './theme';

export const styles = [theme, bell, panel, list];
